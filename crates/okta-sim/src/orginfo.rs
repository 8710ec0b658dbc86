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
        "_links": { "preferences": { "href": format!("{origin}/api/v1/org/preferences") } },
    });
    Answer::new(Content::Json(Bytes::from(body.to_string())), Some(rate))
}
