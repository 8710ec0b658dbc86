//! Links: the request's own parameters, percent-encoded, and the cursor behind them.

use url::form_urlencoded;

use crate::clock::time;
use crate::logs::page::Next;
use crate::logs::query::Query;
use crate::route;

/// The link to what was asked.
pub(crate) fn own(origin: &str, query: &Query) -> String {
    let after = query.after.as_ref().map(ToString::to_string);
    link(origin, query, after, None, "self")
}

/// The link to what follows, on `origin` (scheme and host). At the head of the log it equals the own one.
pub(crate) fn next(origin: &str, query: &Query, next: &Next) -> String {
    let edge = next
        .edge_ms
        .map(|ms| time(ms).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    link(origin, query, Some(next.cursor.to_string()), edge, "next")
}

/// `until` replaces the request's own.
fn link(
    origin: &str,
    query: &Query,
    after: Option<String>,
    until: Option<String>,
    rel: &str,
) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    let kept = query
        .parameters
        .iter()
        .filter(|(name, _)| until.is_none() || name != "until");
    encoded.extend_pairs(kept);
    encoded.extend_pairs(until.map(|until| ("until", until)));
    encoded.extend_pairs(after.map(|after| ("after", after)));
    let encoded = encoded.finish();
    let mark = if encoded.is_empty() { "" } else { "?" };
    format!("<{origin}{}{mark}{encoded}>; rel=\"{rel}\"", route::LOGS)
}
