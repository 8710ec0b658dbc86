//! What to ask Okta for: the first request or the next link, and how many events.

use chrono::{DateTime, TimeDelta, Utc};
use model::cursor::Cursor;
use model::range::KEPT;
use okta::PageRequest;
use store::{Log, Source};

/// What Okta no longer has of what is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreachable {
    /// Where reading had come, if it had begun: from there on events are lost.
    pub(super) read_until: Option<DateTime<Utc>>,
    /// What Okta has begins here.
    pub(super) oldest: DateTime<Utc>,
}

/// Whether the position of a log, or its start, lies before everything that Okta keeps.
pub(super) fn unreachable(
    log: &Log,
    start: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Unreachable> {
    let oldest = now - KEPT;
    let read_until = log.last_success_at;
    match read_until {
        Some(at) if at < oldest => {}
        // Said once: the first request has been made since.
        None if log.unreachable_before.is_none() && start.is_some_and(|start| start < oldest) => {}
        _ => return None,
    }
    // Late events are dated before the poll that they came after.
    let read_until = read_until.map(|at| log.newest_published.map_or(at, |newest| newest.min(at)));
    Some(Unreachable { read_until, oldest })
}

/// A fallback starts this much before the watermark: events may be dated up to 5 minutes ahead of
/// their persistence, which is what `since` compares.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// The query of a source, as far as a cursor is bound to it.
#[derive(Debug)]
pub(crate) struct Query {
    filter: Option<String>,
    keywords: Option<String>,
    key: String,
}

impl Query {
    pub(crate) fn of(source: &Source) -> Self {
        let key = serde_json::json!({ "filter": source.filter, "q": source.keywords }).to_string();
        Self {
            filter: source.filter.clone(),
            keywords: source.keywords.clone(),
            key,
        }
    }

    /// The same for equal queries.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The request for a past range, by `published`.
    pub(crate) fn bounded(
        &self,
        (since, until): (DateTime<Utc>, DateTime<Utc>),
        limit: u32,
    ) -> PageRequest {
        PageRequest::Bounded {
            since,
            until,
            filter: self.filter.clone(),
            q: self.keywords.clone(),
            limit,
        }
    }

    /// The request at the position of a log.
    pub(super) fn request(
        &self,
        log: &Log,
        source: &Source,
        now: DateTime<Utc>,
        limit: u32,
    ) -> PageRequest {
        match &log.cursor {
            Some(cursor) => PageRequest::Next {
                cursor: Cursor::new(cursor.clone()),
                limit: Some(limit),
            },
            None => PageRequest::First {
                since: Some(since(source.start_at, log.watermark, now)),
                filter: self.filter.clone(),
                q: self.keywords.clone(),
                limit,
            },
        }
    }
}

/// Where reading starts without a cursor.
fn since(
    start: Option<DateTime<Utc>>,
    watermark: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let overlapped = watermark.map(|watermark| watermark - OVERLAP);
    let oldest = now - KEPT;
    [start, overlapped]
        .into_iter()
        .flatten()
        .fold(oldest, DateTime::max)
}

/// How many events to ask for after so many unreadable answers at one position: fewer and fewer, so
/// that in the end one bad event stands alone.
pub(crate) fn limit_after(malformed: i32) -> u32 {
    match malformed {
        ..=0 => okta::MAX_LIMIT,
        1 => 100,
        2 => 10,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn reading_starts_at_the_latest_of_start_retention_and_overlapped_watermark() {
        let now = at("2026-06-01T12:00:00Z");
        assert_eq!(
            since(None, None, now),
            at("2026-03-03T12:00:00Z"),
            "earliest is what Okta has"
        );
        assert_eq!(
            since(Some(at("2026-05-31T12:00:00Z")), None, now),
            at("2026-05-31T12:00:00Z")
        );
        assert_eq!(
            since(Some(at("2020-01-01T00:00:00Z")), None, now),
            at("2026-03-03T12:00:00Z")
        );
        assert_eq!(
            since(None, Some(at("2026-06-01T11:00:00Z")), now),
            at("2026-06-01T10:50:00Z")
        );
        assert_eq!(
            since(
                Some(at("2026-06-01T10:55:00Z")),
                Some(at("2026-06-01T11:00:00Z")),
                now
            ),
            at("2026-06-01T10:55:00Z")
        );
    }

    #[test]
    fn unreadable_answers_are_narrowed_down_to_one_event() {
        assert_eq!(
            (0..6).map(limit_after).collect::<Vec<_>>(),
            [1000, 100, 10, 1, 1, 1]
        );
    }
}
