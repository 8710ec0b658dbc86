//! What the generated events are about: people, apps, groups, policies.

use crate::generate::kinds::Aim;
use crate::generate::person::Person;
use crate::generate::shape::{Actor, Field, Target, object, text};
use crate::rng::Rng;

const PEOPLE: usize = 60;

const APPS: [&str; 8] = [
    "Okta Dashboard",
    "Payroll",
    "Wiki",
    "Source Control",
    "Mail",
    "Ticket Desk",
    "Chat",
    "Data Warehouse",
];
const GROUPS: [&str; 5] = [
    "Everyone",
    "Engineering",
    "Finance",
    "Contractors",
    "Administrators",
];

#[derive(Debug)]
pub(crate) struct World {
    people: [Person; PEOPLE],
    apps: Vec<(String, &'static str)>,
    groups: Vec<(String, &'static str)>,
    policy: String,
    rule: String,
    bucket: String,
    token: String,
    system: String,
}

impl World {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let named = |names: &[&'static str], prefix: &str, rng: &mut Rng| {
            names
                .iter()
                .map(|name| (okta_id(prefix, rng), *name))
                .collect::<Vec<_>>()
        };
        let people = std::array::from_fn(|n| Person::new(n, rng));
        let apps = named(&APPS, "0oa", rng);
        let groups = named(&GROUPS, "00g", rng);
        let bucket = rng.hex(32);
        Self {
            people,
            apps,
            groups,
            policy: okta_id("00p", rng),
            rule: okta_id("0pr", rng),
            bucket,
            token: okta_id("00T", rng),
            system: okta_id("spr", rng),
        }
    }

    pub(crate) fn person(&self, rng: &mut Rng) -> &Person {
        rng.pick(&self.people).unwrap_or(&self.people[0])
    }

    pub(crate) fn token_id(&self) -> &str {
        &self.token
    }

    pub(crate) fn system(&self) -> Actor {
        Actor {
            id: self.system.clone(),
            kind: "SystemPrincipal",
            alternate_id: "system@okta.com".to_owned(),
            display_name: "Okta System".to_owned(),
            detail_entry: None,
        }
    }

    pub(crate) fn oauth_client(&self) -> Actor {
        let (id, name) = self.apps.last().cloned().unwrap_or_default();
        Actor {
            alternate_id: id.clone(),
            id,
            kind: "PublicClientApp",
            display_name: name.to_owned(),
            detail_entry: None,
        }
    }

    pub(crate) fn target(&self, aim: Aim, person: &Person, rng: &mut Rng) -> Target {
        let other = self.person(rng);
        let app = rng.pick(&self.apps).cloned().unwrap_or_default();
        let group = rng.pick(&self.groups).cloned().unwrap_or_default();
        match aim {
            Aim::User => target(&other.id, "User", Some(&other.login), Some(&other.name)),
            Aim::ChangedUser => Target {
                change_details: Some(object([
                    (
                        "from",
                        object([("title", Field::Null), ("department", text("Finance"))]),
                    ),
                    (
                        "to",
                        object([
                            ("title", text("Clerk")),
                            ("department", text("Engineering")),
                        ]),
                    ),
                ])),
                ..target(&other.id, "User", Some(&other.login), Some(&other.name))
            },
            Aim::App => Target {
                detail_entry: Some(object([("signOnModeType", text("SAML_2_0"))])),
                ..target(&app.0, "AppInstance", Some(app.1), Some(app.1))
            },
            Aim::AppUser => target(
                &person.app_id,
                "AppUser",
                Some(&person.login),
                Some(&person.name),
            ),
            Aim::Group => target(&group.0, "UserGroup", Some("unknown"), Some(group.1)),
            Aim::Policy => Target {
                detail_entry: Some(object([("policyType", text("OktaSignOn"))])),
                ..target(
                    &self.policy,
                    "PolicyEntity",
                    Some("unknown"),
                    Some("Default Policy"),
                )
            },
            Aim::Rule => target(
                &self.rule,
                "PolicyRule",
                Some("00p"),
                Some("Catch-all Rule"),
            ),
            Aim::Factor => target(
                &okta_id("lae", rng),
                "AuthenticatorEnrollment",
                Some("unknown"),
                Some("Password"),
            ),
            Aim::AccessToken => Target {
                detail_entry: Some(object([
                    ("subject", text(&person.id)),
                    ("hash", text(rng.id("", 22))),
                ])),
                ..target(
                    &rng.id("AT.", 48),
                    "access_token",
                    None,
                    Some("Access Token"),
                )
            },
            Aim::AuthorizationServer => target(
                &okta_id("aus", rng),
                "AuthorizationServer",
                None,
                Some("default"),
            ),
            Aim::Bucket => target(&self.bucket, "Bucket UUID", None, None),
            Aim::Token => target(&self.token, "Token", Some("unknown"), Some("Collector")),
        }
    }
}

fn target(id: &str, kind: &'static str, alternate: Option<&str>, display: Option<&str>) -> Target {
    Target {
        id: id.to_owned(),
        kind,
        alternate_id: alternate.map(str::to_owned),
        display_name: display.map(str::to_owned),
        detail_entry: None,
        change_details: None,
    }
}

/// 20 characters, the last three those of one Okta cell.
pub(crate) fn okta_id(prefix: &str, rng: &mut Rng) -> String {
    rng.id(prefix, 17) + "5d7"
}
