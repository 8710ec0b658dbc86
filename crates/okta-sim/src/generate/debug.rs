//! `debugContext.debugData`: free-form, and different for each kind of event.

use crate::generate::kinds::{Kind, Origin};
use crate::generate::person::Person;
use crate::generate::shape::{Field, object, text};
use crate::rng::Rng;

const BEHAVIORS: &str =
    "{New Geo-Location=NEGATIVE, New Device=NEGATIVE, New IP=NEGATIVE, Velocity=NEGATIVE}";

/// Which limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// The share of a token or an app.
    Share,
    /// The org's bucket.
    Org,
    /// Requests at once.
    Concurrency,
}

/// A rate limit that was met.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) breach: Breach,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) limit: u32,
    pub(crate) seconds_to_reset: i64,
}

/// The data of an event; a rate limit event tells of `real`, or of a window made up.
pub(crate) fn debug_data(
    kind: &Kind,
    person: &Person,
    request_id: &str,
    rng: &mut Rng,
    real: Option<&Violation>,
) -> Field {
    let request = [
        ("requestId", text(request_id)),
        ("dtHash", text(rng.hex(64))),
    ];
    match kind.origin {
        Origin::Job => object([
            ("kid", text(rng.id("", 43))),
            ("authorizationServer", text(&person.app_id)),
        ]),
        _ if kind.event_type.ends_with("limit.violation") => rate_limit_data(kind, real, request),
        _ => {
            let common = [
                ("requestUri", text(kind.uri)),
                ("threatSuspected", text("false")),
                ("url", text(format!("{}?", kind.uri))),
            ];
            let sign_in = [
                ("authnRequestId", text(rng.hex(32))),
                ("deviceFingerprint", text(&person.fingerprint)),
                ("behaviors", text(BEHAVIORS)),
                ("risk", text("{level=LOW}")),
            ];
            let sign_in = sign_in
                .into_iter()
                .filter(|_| kind.credential_type.is_some());
            object(request.into_iter().chain(common).chain(sign_in))
        }
    }
}

fn rate_limit_data(
    kind: &Kind,
    real: Option<&Violation>,
    request: [(&'static str, Field); 2],
) -> Field {
    let path = real.map_or(kind.uri, |violation| &violation.path);
    let query = real.map_or("limit=1000", |violation| &violation.query);
    let limit = real.map_or(60, |violation| violation.limit);
    let seconds = real.map_or(47, |violation| violation.seconds_to_reset);
    object(
        [
            ("operationRateLimitSubtype", text("ssws_token")),
            ("operationRateLimitTimeUnit", text("MINUTES")),
            ("operationRateLimitScopeType", text("token")),
            (
                "operationRateLimitSecondsToReset",
                text(seconds.to_string()),
            ),
        ]
        .into_iter()
        .chain(request)
        .chain([
            ("operationRateLimitThreshold", text(limit.to_string())),
            ("operationRateLimitTimeSpan", text("1")),
            ("requestUri", text(path)),
            ("operationRateLimitType", text("web_request")),
            ("url", text(format!("{path}?{query}"))),
        ]),
    )
}
