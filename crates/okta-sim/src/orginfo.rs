//! What an org says about itself: `/.well-known/okta-organization` and `/api/v1/org`.

use bytes::Bytes;
use serde_json::json;

use crate::config::OrgConfig;
use crate::limits::RateHeaders;
use crate::respond::{Answer, Content};

/// Needs no credential and is not limited.
pub(crate) fn well_known(org: &OrgConfig, origin: &str) -> Answer {
    let body = json!({
        "id": org.id,
        "pipeline": "idx",
        "_links": { "organization": { "href": origin }, "alternate": { "href": origin } },
    });
    Answer::new(Content::Json(Bytes::from(body.to_string())), None)
}

/// The settings of the org, as far as a client can want them.
pub(crate) fn org(org: &OrgConfig, origin: &str, rate: RateHeaders) -> Answer {
    let body = json!({
        "id": org.id,
        "subdomain": "simulated",
        "companyName": "Simulated org",
        "status": "ACTIVE",
        "expiresAt": null,
        "created": "2020-01-01T00:00:00.000Z",
        "lastUpdated": "2020-01-01T00:00:00.000Z",
        "website": "https://example.com",
        "phoneNumber": "",
        "endUserSupportHelpURL": "",
        "supportPhoneNumber": "",
        "address1": null,
        "address2": null,
        "city": null,
        "state": null,
        "country": null,
        "postalCode": null,
        "_links": {
            "preferences": { "href": format!("{origin}/api/v1/org/preferences") },
            "uploadLogo": { "href": format!("{origin}/api/v1/org/logo"), "hints": { "allow": ["POST"] } },
            "oktaCommunication": { "href": format!("{origin}/api/v1/org/privacy/oktaCommunication") },
            "logo": { "href": format!("{origin}/logo.png") },
            "oktaSupport": { "href": format!("{origin}/api/v1/org/privacy/oktaSupport") },
            "contacts": { "href": format!("{origin}/api/v1/org/contacts") },
        },
    });
    Answer::new(Content::Json(Bytes::from(body.to_string())), Some(rate))
}
