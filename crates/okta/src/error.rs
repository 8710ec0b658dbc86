//! What can go wrong, named by what it means for the source.

use std::fmt;
use std::time::Duration;

use egress::Blocked;
use model::status::Trouble;

use crate::events::Flaw;
use crate::oauth::{GrantRefusal, KeyError};

/// Why a request brought no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OktaError {
    /// 429: the budget of this minute is used up.
    #[error("okta's rate limit is used up, {}", reset_text(*.resets_in))]
    RateLimited {
        /// How long until the window resets, if Okta said so.
        resets_in: Option<Duration>,
    },
    /// 429 with a limit of 0: too many requests of the org at the same moment. Its reset means nothing.
    #[error("too many requests of this org run at the same time, try again in a few seconds")]
    Concurrency,
    /// 401.
    #[error("okta refused the token{}: it is mistyped, expired, revoked or of another org, or its owner was deactivated; enter a new one", code_text(.code.as_deref()))]
    BadToken {
        /// Okta's error code.
        code: Option<String>,
    },
    /// The token holds bytes that no header can carry; nothing was sent.
    #[error("the token holds line breaks or control characters, paste it again")]
    UnusableToken,
    /// 401 or 400 for an access token that was given out just now, or for its proof of possession.
    #[error("okta refused the access token that it had just given out{}: check that the app is active and may read this org", code_text(.code.as_deref()))]
    AccessTokenRefused {
        /// Okta's error code.
        code: Option<String>,
    },
    /// The token endpoint gave out no access token.
    #[error("okta gave the app no access token ({code}: {summary}): {kind}")]
    NoAccessToken {
        /// What keeps it from getting one.
        kind: GrantRefusal,
        /// Okta's word for it.
        code: String,
        /// Okta's own words, shortened.
        summary: String,
    },
    /// 429 of the token endpoint, whose budget is not that of the log.
    #[error("okta's rate limit for access tokens is used up, {}", reset_text(*.resets_in))]
    TokenRateLimited {
        /// How long until the window resets, if Okta said so.
        resets_in: Option<Duration>,
    },
    /// 404 of the token endpoint.
    #[error("{host} gives out no access tokens{}, use the org's own domain and not that of its admin console", code_text(.code.as_deref()))]
    NoTokenEndpoint {
        /// The host that was asked.
        host: String,
        /// Okta's error code.
        code: Option<String>,
    },
    /// 200, and no access token in it.
    #[error("okta's answer to the request for an access token cannot be read, it is asked again")]
    BadTokenAnswer,
    /// The private key of the app cannot be used; nothing was sent.
    #[error("the private key of the app cannot be used: {0}")]
    UnusableKey(KeyError),
    /// The system cannot sign; nothing was sent.
    #[error("a request could not be signed, the system is short of randomness or memory")]
    CannotSign,
    /// Answers without a time, which signatures need.
    #[error(
        "the answers of {host} do not say what time it is, which signing needs; a proxy may remove the Date header"
    )]
    NoDate {
        /// The host that was asked.
        host: String,
    },
    /// 403, or a 401 that is not about the token.
    #[error("okta denied access to the system log{}: {kind}", code_text(.code.as_deref()))]
    Forbidden {
        /// What is missing.
        kind: ForbiddenKind,
        /// Okta's error code.
        code: Option<String>,
    },
    /// The host answers, but not as an Okta org.
    #[error("there is no Okta org at {host}, check the domain")]
    NotAnOrg {
        /// The host that was asked.
        host: String,
    },
    /// 404 on the log endpoint.
    #[error("{host} has no system log{}, check that the domain is that of your Okta org", code_text(.code.as_deref()))]
    NotFound {
        /// The host that was asked.
        host: String,
        /// Okta's error code.
        code: Option<String>,
    },
    /// 400 on a next link: the position is lost, start again from the watermark.
    #[error("okta no longer accepts the stored position{}, reading restarts a little earlier", code_text(.code.as_deref()))]
    CursorRefused {
        /// Okta's error code.
        code: Option<String>,
    },
    /// A stored next link is not of this origin; nothing was sent. As good as a refused cursor.
    #[error("the stored position belongs to {host}, reading restarts a little earlier")]
    ForeignCursor {
        /// The host of the link, empty if it has none.
        host: String,
    },
    /// An answer's next link leads to another origin. It is not followed.
    #[error(
        "okta's next link leads to {host}, another origin than the one asked; use that domain if it is yours"
    )]
    ForeignLink {
        /// The host of the link, empty if it has none.
        host: String,
    },
    /// 400 on a first request, most often the filter.
    #[error("okta refused the request{}: {summary}; check the filter and keywords", code_text(.code.as_deref()))]
    BadRequest {
        /// Okta's error code.
        code: Option<String>,
        /// Okta's own words, shortened.
        summary: String,
    },
    /// 5xx or 408: Okta's side, try again later.
    #[error("okta answered with status {status}{}, it is tried again", code_text(.code.as_deref()))]
    Server {
        /// The HTTP status.
        status: u16,
        /// Okta's error code.
        code: Option<String>,
    },
    /// Any other status, a redirect among them.
    #[error("{host} answered with status {status}{}, which Okta never does; check the domain", code_text(.code.as_deref()))]
    Unexpected {
        /// The host that was asked.
        host: String,
        /// The HTTP status.
        status: u16,
        /// Okta's error code.
        code: Option<String>,
    },
    /// The page is larger than the cap; ask for fewer events.
    #[error("the page is larger than {max_bytes} bytes, it is asked for again with fewer events")]
    TooLarge {
        /// The cap, in decoded bytes.
        max_bytes: usize,
    },
    /// The body arrived whole and is no page.
    #[error("okta's answer is no array of events: {0}")]
    Malformed(Flaw),
    /// The body arrived whole and does not decompress.
    #[error("okta's answer is compressed wrongly, it is asked for again")]
    Undecodable,
    /// Nothing came in time.
    #[error("{phase} took too long, it is tried again")]
    Timeout {
        /// What was waited for.
        phase: Phase,
    },
    /// The connection ended before the body did.
    #[error("the connection ended in the middle of the answer, it is asked for again")]
    Cut,
    /// The connection failed otherwise.
    #[error("no answer from {host}: {reason}")]
    Transport {
        /// The host that was asked.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The host is not public or not https, and not allowed; nothing was sent.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The TLS handshake failed, most often over the certificate.
    #[error("no trusted connection to {host}: {reason}")]
    Tls {
        /// The host that was asked.
        host: String,
        /// What TLS said.
        reason: String,
    },
    /// The name has no address.
    #[error("the name {host} cannot be resolved, check the domain's spelling")]
    Dns {
        /// The host that was asked for.
        host: String,
    },
}

/// What a 403 says is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForbiddenKind {
    /// No credential arrived (E0000005).
    NoSession,
    /// The owner of the token may not read the log (E0000006).
    NoRole,
    /// The access token lacks a scope.
    MissingScope,
    /// The org has no such feature (E0000015).
    FeatureOff,
    /// A developer org that Okta switched off (E0000260).
    OrgDeactivated,
    /// Anything else; a network zone of the token is likely.
    Other,
}

/// What a timeout waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The connection, TLS included.
    Connect,
    /// The head of the answer.
    Answer,
    /// The next bytes or the end of the body.
    Body,
}

impl OktaError {
    /// What it proves about the credential; `None`: nothing, the world was in the way.
    pub fn trouble_of_credential(&self) -> Option<Trouble> {
        match self {
            Self::BadToken { .. } | Self::UnusableToken => Some(Trouble::TokenRefused),
            Self::AccessTokenRefused { .. } | Self::UnusableKey(_) => Some(Trouble::AppRefused),
            Self::NoAccessToken { kind, .. } => Some(kind.trouble()),
            Self::Forbidden {
                kind: ForbiddenKind::MissingScope,
                ..
            } => Some(Trouble::ScopeMissing),
            Self::Forbidden { .. } => Some(Trouble::PermissionMissing),
            Self::NotAnOrg { .. } | Self::NotFound { .. } | Self::NoTokenEndpoint { .. } => {
                Some(Trouble::NotAnOrg)
            }
            Self::Blocked(_) => Some(Trouble::DomainNotAllowed),
            Self::RateLimited { .. }
            | Self::TokenRateLimited { .. }
            | Self::BadTokenAnswer
            | Self::NoDate { .. }
            | Self::CannotSign
            | Self::Concurrency
            | Self::CursorRefused { .. }
            | Self::ForeignCursor { .. }
            | Self::ForeignLink { .. }
            | Self::BadRequest { .. }
            | Self::Unexpected { .. }
            | Self::Malformed(_)
            | Self::TooLarge { .. }
            | Self::Server { .. }
            | Self::Undecodable
            | Self::Timeout { .. }
            | Self::Cut
            | Self::Transport { .. }
            | Self::Tls { .. }
            | Self::Dns { .. } => None,
        }
    }

    /// A stable name for logs, metrics and the status of a source.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } => "rate_limited",
            Self::Concurrency => "concurrency_limited",
            Self::BadToken { .. } => "bad_token",
            Self::UnusableToken => "unusable_token",
            Self::AccessTokenRefused { .. } => "access_token_refused",
            Self::NoAccessToken { kind, .. } => kind.code(),
            Self::TokenRateLimited { .. } => "token_rate_limited",
            Self::NoTokenEndpoint { .. } => "no_token_endpoint",
            Self::BadTokenAnswer => "bad_token_answer",
            Self::UnusableKey(_) => "unusable_key",
            Self::CannotSign => "cannot_sign",
            Self::NoDate { .. } => "no_date",
            Self::Forbidden { kind, .. } => kind.code(),
            Self::NotAnOrg { .. } => "not_an_org",
            Self::NotFound { .. } => "not_found",
            Self::CursorRefused { .. } => "cursor_refused",
            Self::ForeignCursor { .. } => "foreign_cursor",
            Self::ForeignLink { .. } => "foreign_link",
            Self::BadRequest { .. } => "bad_request",
            Self::Server { .. } => "server_error",
            Self::Unexpected { .. } => "unexpected_answer",
            Self::TooLarge { .. } => "too_large",
            Self::Malformed(_) => "malformed",
            Self::Undecodable => "undecodable",
            Self::Timeout {
                phase: Phase::Connect,
            } => "connect_timeout",
            Self::Timeout {
                phase: Phase::Answer,
            } => "answer_timeout",
            Self::Timeout { phase: Phase::Body } => "body_timeout",
            Self::Cut => "cut",
            Self::Transport { .. } => "unreachable",
            Self::Blocked(_) => "blocked_host",
            Self::Tls { .. } => "tls_failed",
            Self::Dns { .. } => "dns_failed",
        }
    }
}

impl ForbiddenKind {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::NoRole => "no_role",
            Self::MissingScope => "missing_scope",
            Self::FeatureOff => "feature_off",
            Self::OrgDeactivated => "org_deactivated",
            Self::Other => "forbidden",
        }
    }
}

impl fmt::Display for ForbiddenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSession => "no token arrived, a proxy on the way may have removed it",
            Self::NoRole => "give the owner of the token, or the service app, an admin role that may read it, such as read-only administrator",
            Self::MissingScope => "grant the app the scope okta.logs.read",
            Self::FeatureOff => "the feature is switched off for this org",
            Self::OrgDeactivated => "okta has deactivated this org",
            Self::Other => "check the roles and network zones of the token",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting to okta",
            Self::Answer => "okta's answer",
            Self::Body => "the rest of okta's answer",
        })
    }
}

fn code_text(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}

fn reset_text(resets_in: Option<Duration>) -> String {
    match resets_in {
        Some(wait) => format!("it resets in {} s", wait.as_secs()),
        None => "okta did not say until when".to_owned(),
    }
}
