//! From a page of Okta to the store.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::job::Lease;
use okta::{Page, Salvage};
use store::{Appended, EventId, Log, NewPage, NewQuarantine, StoreError};

use crate::context::Context;

/// An unreadable page is put aside after so many equal answers over so long.
const ANSWERS: i32 = 20;
const HOURS: Duration = Duration::from_hours(6);

/// The last millisecond of a second.
const SECOND: TimeDelta = TimeDelta::milliseconds(999);

/// Appends a page to the live log.
pub(super) async fn append(
    context: &Context,
    lease: &Lease,
    log: &Log,
    page: &Page,
    cursor_query: &str,
    at_head: bool,
) -> Result<Appended, StoreError> {
    let (ndjson, events) = lines_of(page);
    // Without a next link: an empty page leaves the position as it was, one with events leaves none.
    let kept = if page.events.is_empty() {
        log.cursor.as_deref()
    } else {
        None
    };
    let new = NewPage {
        fence: lease.fence,
        lease: context.worker.config.lease,
        log,
        ndjson: &ndjson,
        events: &events,
        date: date_of(page, context.wall.now()),
        cursor: page
            .next
            .as_ref()
            .map(model::cursor::Cursor::as_str)
            .or(kept),
        cursor_query,
        at_head,
    };
    context.worker.store.append_page(&new).await
}

/// The events of a page, one per line, and what the store needs to know of each.
pub(crate) fn lines_of(page: &Page) -> (Vec<u8>, Vec<EventId>) {
    let mut ndjson = Vec::new();
    page.events.write_ndjson(0..page.events.len(), &mut ndjson);
    let mut end = 0;
    let events = page.events.iter().map(|event| {
        end += event.raw().len() + 1;
        EventId {
            identity: event.identity(),
            content: event.content(),
            published: event.published(),
            end,
        }
    });
    let events = events.collect();
    (ndjson, events)
}

/// The server's clock at the answer, else ours. The header has whole seconds; what happened in its
/// second is not ahead of it.
pub(crate) fn date_of(page: &Page, now: DateTime<Utc>) -> DateTime<Utc> {
    page.date.map_or(now, |date| date + SECOND)
}

/// Counts an unreadable answer; whether there were enough of them for long enough.
pub(crate) async fn count_unreadable(
    context: &Context,
    lease: &Lease,
    log: &Log,
) -> Result<bool, StoreError> {
    // Equal: at the same position. A body that is cut differs from time to time.
    let position = log.cursor.as_deref().unwrap_or_default();
    let store = &context.worker.store;
    let (answers, since) = store
        .page_malformed(
            &lease.fence,
            context.worker.config.lease,
            log,
            position.as_bytes(),
        )
        .await?;
    Ok(answers >= ANSWERS && since >= HOURS)
}

/// Puts an unreadable page aside and follows its next link.
pub(super) async fn quarantine(
    context: &Context,
    lease: &Lease,
    log: &Log,
    problem: &str,
    salvage: &Salvage,
    cursor_query: &str,
) -> Result<(), StoreError> {
    let page = NewQuarantine {
        log,
        problem,
        body: &salvage.body,
        next: salvage.next.as_ref().map(model::cursor::Cursor::as_str),
        cursor_query,
    };
    context
        .worker
        .store
        .quarantine_page(&lease.fence, context.worker.config.lease, &page)
        .await
}
