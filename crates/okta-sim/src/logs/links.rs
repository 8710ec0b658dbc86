//! Links: the request's own parameters, percent-encoded, and the cursor behind them.

use url::form_urlencoded;

use crate::logs::cursor::Cursor;
use crate::logs::query::Query;
use crate::route;

/// A link value on `origin` (scheme and host). At the head of the log `next` equals `self`.
pub(crate) fn link(origin: &str, query: &Query, after: Option<Cursor>, rel: &str) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &query.parameters {
        encoded.append_pair(name, value);
    }
    if let Some(after) = after {
        encoded.append_pair("after", &after.to_string());
    }
    let encoded = encoded.finish();
    let mark = if encoded.is_empty() { "" } else { "?" };
    format!("<{origin}{}{mark}{encoded}>; rel=\"{rel}\"", route::LOGS)
}
