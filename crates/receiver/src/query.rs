//! The query API of InsightOps, as far as a sender needs it to find an entry of its own again:
//! `GET /query/logs/{log_id}?query=where(/text/)&from=&to=`, then the `Self` link until `progress` is gone.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use crate::config::ReadBack;
use crate::inbox::State;

/// The path of a new query.
pub(crate) const NEW: &str = "/query/logs/";
/// The path of a query that runs.
pub(crate) const RUNNING: &str = "/query/";

/// Results on a page without `per_page`.
const PER_PAGE: usize = 50;
const MOST_PER_PAGE: usize = 500;

/// An entry that can be searched for.
pub(crate) struct Entry {
    text: Bytes,
    arrived: Instant,
    at_ms: u64,
}

impl Entry {
    pub(crate) fn new(text: Bytes, arrived: Instant) -> Self {
        Self {
            text,
            arrived,
            at_ms: now_ms(),
        }
    }
}

/// Queries that run.
#[derive(Default)]
pub(crate) struct Queries {
    running: HashMap<String, Query>,
    begun: u64,
}

#[derive(Clone)]
struct Query {
    statement: String,
    text: String,
    from: u64,
    to: u64,
    per_page: usize,
    /// Answers of progress still to come.
    progress_left: u32,
}

/// A status and a JSON body.
pub(crate) type Answer = (StatusCode, Value);

/// Answers a request to the query API; `path` begins with [`RUNNING`].
pub(crate) fn answer(
    state: &mut State,
    log: &ReadBack,
    key: Option<&str>,
    (path, query, origin): (&str, &str, &str),
) -> Answer {
    match key {
        None => return refusal(StatusCode::UNAUTHORIZED, "x-api-key is missing"),
        Some(key) if key != log.key => {
            return refusal(StatusCode::FORBIDDEN, "this key may not read the log");
        }
        Some(_) => {}
    }
    if let Some(id) = path.strip_prefix(NEW) {
        let id = id.trim_end_matches('/');
        if Uuid::try_parse(id) != Ok(log.log_id) {
            return refusal(StatusCode::NOT_FOUND, "there is no such log");
        }
        return match Query::read(query, log.progress_answers) {
            Ok(query) => begin(&mut state.queries, log, query, origin),
            Err(why) => refusal(StatusCode::BAD_REQUEST, why),
        };
    }
    let id = path.strip_prefix(RUNNING).unwrap_or_default();
    go_on(state, log, id, origin)
}

fn begin(queries: &mut Queries, log: &ReadBack, query: Query, origin: &str) -> Answer {
    queries.begun += 1;
    let id = format!("{}-{}", log.log_id, queries.begun);
    let answer = progress(log, &query, &id, 0, origin);
    queries.running.insert(id, query);
    (StatusCode::ACCEPTED, answer)
}

fn go_on(state: &mut State, log: &ReadBack, id: &str, origin: &str) -> Answer {
    let Some(query) = state.queries.running.get_mut(id) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such query");
    };
    if query.progress_left > 0 {
        query.progress_left -= 1;
        return (StatusCode::OK, progress(log, query, id, 50, origin));
    }
    let query = query.clone();
    let events: Vec<Value> = state
        .searchable
        .iter()
        .zip(1_u64..)
        .filter(|(entry, _)| query.finds(entry, log.searchable_after))
        .take(query.per_page)
        .map(|(entry, number)| event(entry, number, log.log_id))
        .collect();
    let result = json!({
        "logs": [log.log_id.to_string()],
        "leql": leql(&query),
        "events": events,
    });
    (StatusCode::OK, result)
}

impl Query {
    fn read(query: &str, progress_left: u32) -> Result<Self, &'static str> {
        let parameters: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let statement = parameters.get("query").ok_or("query is missing")?;
        let text = statement
            .strip_prefix("where(/")
            .and_then(|rest| rest.strip_suffix("/)"))
            .filter(|text| {
                let literal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
                !text.is_empty() && text.chars().all(literal)
            })
            .ok_or("this receiver knows only where(/literal text/)")?;
        let time = |name: &str| {
            let value = parameters.get(name);
            value.and_then(|value| value.parse::<u64>().ok())
        };
        let per_page = match parameters.get("per_page") {
            None => PER_PAGE,
            Some(given) => given
                .parse()
                .ok()
                .filter(|count| (1..=MOST_PER_PAGE).contains(count))
                .ok_or("per_page must be from 1 to 500")?,
        };
        Ok(Self {
            statement: statement.to_string(),
            text: text.to_owned(),
            from: time("from").ok_or("from must be milliseconds since 1970")?,
            to: time("to").ok_or("to must be milliseconds since 1970")?,
            per_page,
            progress_left,
        })
    }

    fn finds(&self, entry: &Entry, searchable_after: Duration) -> bool {
        entry.arrived.elapsed() >= searchable_after
            && (self.from..=self.to).contains(&entry.at_ms)
            && memchr::memmem::find(&entry.text, self.text.as_bytes()).is_some()
    }
}

fn progress(log: &ReadBack, query: &Query, id: &str, percent: u32, origin: &str) -> Value {
    json!({
        "logs": [log.log_id.to_string()],
        "id": id,
        "progress": percent,
        "query": leql(query),
        "events": [],
        "links": [{ "rel": "Self", "href": format!("{origin}{RUNNING}{id}") }],
    })
}

fn leql(query: &Query) -> Value {
    json!({ "statement": query.statement, "during": { "from": query.from, "to": query.to } })
}

fn event(entry: &Entry, number: u64, log_id: Uuid) -> Value {
    json!({
        "labels": [],
        "links": [],
        "log_id": log_id.to_string(),
        "message": String::from_utf8_lossy(&entry.text),
        "sequence_number": number,
        "sequence_number_str": number.to_string(),
        "timestamp": entry.at_ms,
    })
}

fn refusal(status: StatusCode, message: &str) -> Answer {
    (status, json!({ "message": message }))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the receiver stands for another machine: its clock is not the collector's"
)]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
