//! The kinds of events a generated log mixes, with how often each comes.

/// A kind of event.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) event_type: &'static str,
    pub(crate) legacy: Option<&'static str>,
    pub(crate) message: &'static str,
    /// How often it comes, compared with the others.
    pub(crate) weight: u64,
    pub(crate) origin: Origin,
    pub(crate) verdict: Verdict,
    pub(crate) credential_type: Option<&'static str>,
    pub(crate) uri: &'static str,
    pub(crate) targets: &'static [Aim],
    /// Whether it carries a field no documentation knows.
    pub(crate) unknown: bool,
}

/// Who causes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Browser,
    Api,
    OauthClient,
    Job,
}

/// How it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// `outcome` is null.
    None,
    Always(&'static str),
    /// The usual result; now and then the other one, with a reason.
    Mostly(&'static str, &'static str, &'static str),
}

/// What an event is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    User,
    ChangedUser,
    App,
    AppUser,
    Group,
    Policy,
    Rule,
    Factor,
    AccessToken,
    AuthorizationServer,
    Bucket,
    Token,
}

/// A token that used up its window; also made when that really happens.
pub(crate) const RATE_LIMIT: Kind = Kind {
    weight: 2,
    legacy: None,
    verdict: Verdict::None,
    targets: &[Aim::Bucket, Aim::Token],
    ..api(
        "system.operation.rate_limit.violation",
        "This API token has made too many requests",
        "/api/v1/logs",
    )
};

/// All tokens together used up the org's window.
pub(crate) const ORG_LIMIT: Kind = Kind {
    event_type: "system.org.rate_limit.violation",
    message: "Rate limit violation",
    ..RATE_LIMIT
};

/// Too many requests at once.
pub(crate) const CONCURRENCY_LIMIT: Kind = Kind {
    event_type: "core.concurrency.org.limit.violation",
    message: "Too many concurrent requests",
    ..RATE_LIMIT
};

pub(crate) const KINDS: [Kind; 13] = [
    Kind {
        weight: 12,
        legacy: Some("core.user_auth.login_success"),
        verdict: Verdict::Mostly("SUCCESS", "FAILURE", "INVALID_CREDENTIALS"),
        credential_type: Some("PASSWORD"),
        targets: &[Aim::Factor, Aim::App],
        ..browser(
            "user.session.start",
            "User login to Okta",
            "/idp/idx/identify",
        )
    },
    Kind {
        weight: 10,
        legacy: Some("core.user_auth.logout_success"),
        ..browser(
            "user.session.end",
            "User logout from Okta",
            "/login/signout",
        )
    },
    Kind {
        weight: 22,
        legacy: Some("app.auth.sso"),
        targets: &[Aim::App, Aim::AppUser],
        ..browser(
            "user.authentication.sso",
            "User single sign on to app",
            "/app/simulated/sso/saml",
        )
    },
    Kind {
        weight: 7,
        legacy: Some("core.user.factor.attempt_success"),
        verdict: Verdict::Mostly("SUCCESS", "FAILURE", "FASTPASS_DECLINED"),
        credential_type: Some("OTP"),
        targets: &[Aim::User, Aim::Factor],
        ..browser(
            "user.authentication.auth_via_mfa",
            "Authentication of user via MFA",
            "/idp/idx/challenge/answer",
        )
    },
    Kind {
        weight: 14,
        verdict: Verdict::Mostly(
            "ALLOW",
            "CHALLENGE",
            "Sign-on policy evaluation resulted in CHALLENGE",
        ),
        targets: &[Aim::Policy, Aim::Rule, Aim::App],
        ..browser(
            "policy.evaluate_sign_on",
            "Evaluation of sign-on policy",
            "/idp/idx/introspect",
        )
    },
    Kind {
        weight: 12,
        legacy: Some("app.oauth2.token.grant.access_token_success"),
        origin: Origin::OauthClient,
        targets: &[Aim::AccessToken, Aim::AuthorizationServer],
        ..api(
            "app.oauth2.token.grant.access_token",
            "OIDC access token is granted",
            "/oauth2/v1/token",
        )
    },
    Kind {
        weight: 4,
        legacy: Some("core.user.config.user_activated"),
        targets: &[Aim::User],
        ..api(
            "user.lifecycle.activate",
            "Activate Okta user",
            "/api/v1/users",
        )
    },
    Kind {
        weight: 3,
        targets: &[Aim::ChangedUser],
        ..api(
            "user.account.update_profile",
            "Update user profile for Okta",
            "/api/v1/users/me",
        )
    },
    Kind {
        weight: 5,
        legacy: Some("core.user_group_member.user_add"),
        targets: &[Aim::User, Aim::Group],
        ..api(
            "group.user_membership.add",
            "Add user to group membership",
            "/api/v1/groups",
        )
    },
    Kind {
        weight: 4,
        legacy: Some("app.generic.provision.assign_user_to_app"),
        targets: &[Aim::AppUser, Aim::App, Aim::User],
        ..api(
            "application.user_membership.add",
            "Add user to application membership",
            "/api/v1/apps",
        )
    },
    RATE_LIMIT,
    Kind {
        weight: 3,
        legacy: Some("app.oauth2.as.key.rollover.legacy"),
        origin: Origin::Job,
        targets: &[Aim::AuthorizationServer],
        ..api(
            "app.oauth2.as.key.rollover",
            "Custom Authorization Server token signing key rolled over",
            "",
        )
    },
    Kind {
        weight: 1,
        unknown: true,
        ..browser(
            "simulated.signal.evaluate",
            "A kind of event no catalogue knows",
            "/signals/v1/evaluate",
        )
    },
];

const fn browser(event_type: &'static str, message: &'static str, uri: &'static str) -> Kind {
    Kind {
        event_type,
        legacy: None,
        message,
        weight: 1,
        origin: Origin::Browser,
        verdict: Verdict::Always("SUCCESS"),
        credential_type: None,
        uri,
        targets: &[],
        unknown: false,
    }
}

const fn api(event_type: &'static str, message: &'static str, uri: &'static str) -> Kind {
    Kind {
        origin: Origin::Api,
        ..browser(event_type, message, uri)
    }
}
