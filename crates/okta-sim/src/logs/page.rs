//! Selects the events of a page.

use chrono::TimeDelta;

use crate::errors::ApiError;
use crate::events::EventLog;
use crate::logs::cursor::Cursor;
use crate::logs::query::{Kind, Order, Query};

/// Events persisted longer ago are not shown.
const RETENTION: TimeDelta = TimeDelta::days(90);

/// A page: which events, and where the next one starts.
#[derive(Debug)]
pub(crate) struct Page {
    /// Indices into the log, in the order shown.
    pub(crate) indices: Vec<usize>,
    /// `None` on the last page of a bounded query.
    pub(crate) next: Option<Cursor>,
    /// For polling pages.
    pub(crate) polled: Option<Polled>,
}

/// Positions of a polling page, as counts of the events before them.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) asked: usize,
    pub(crate) end: usize,
}

/// Selects the page a query asks for. A cursor that stands nowhere is refused.
pub(crate) fn select(log: &mut EventLog, query: &Query, now_ms: i64) -> Result<Page, ApiError> {
    let oldest = log.first_persisted_at(now_ms.saturating_sub(RETENTION.num_milliseconds()));
    match query.kind {
        Kind::Polling { since_ms } => polling(log, query, since_ms, oldest),
        Kind::Bounded {
            since_ms,
            until_ms,
            order,
        } => bounded(log.by_published(), query, since_ms..until_ms, order, oldest),
    }
}

fn polling(log: &EventLog, query: &Query, since_ms: i64, oldest: usize) -> Result<Page, ApiError> {
    let cursor = query.after.unwrap_or(Cursor { ms: since_ms, n: 0 });
    let first_of = |ms| log.first_persisted_at(ms);
    let start =
        behind(cursor, first_of, |at| log.persisted_ms(at)).ok_or_else(ApiError::bad_cursor)?;
    let first = start.max(oldest);
    let end = first.saturating_add(query.limit).min(log.len()).max(first);
    let last = (first < end).then(|| end - 1);
    let next = last.and_then(|last| cursor_of(last, first_of, |at| log.persisted_ms(at)));
    // The clipped part of a cursor's past is read: nobody can get it any more.
    let polled = Polled { asked: start, end };
    Ok(Page {
        indices: (first..end).collect(),
        next: Some(next.unwrap_or(cursor)),
        polled: Some(polled),
    })
}

fn bounded(
    sorted: &[(i64, usize)],
    query: &Query,
    range_ms: std::ops::Range<i64>,
    order: Order,
    oldest: usize,
) -> Result<Page, ApiError> {
    let first_of = |ms| sorted.partition_point(|&(published, _)| published < ms);
    let time_at = |at: usize| sorted.get(at).map(|&(published, _)| published);
    let after = match query.after {
        Some(cursor) => Some(behind(cursor, first_of, time_at).ok_or_else(ApiError::bad_cursor)?),
        None => None,
    };
    let (mut low, mut high) = (first_of(range_ms.start), first_of(range_ms.end));
    match (after, order) {
        (Some(after), Order::Ascending) => low = low.max(after),
        // Going down, the cursor stands behind the event that was shown last.
        (Some(after), Order::Descending) => high = high.min(after.saturating_sub(1)),
        (None, _) => {}
    }
    let shown = |at: &usize| sorted.get(*at).is_some_and(|&(_, index)| index >= oldest);
    let mut places: Vec<usize> = match order {
        Order::Ascending => (low..high).filter(shown).take(query.limit + 1).collect(),
        Order::Descending => (low..high)
            .rev()
            .filter(shown)
            .take(query.limit + 1)
            .collect(),
    };
    let more = places.len() > query.limit;
    places.truncate(query.limit);
    let last = places.last().copied().filter(|_| more);
    Ok(Page {
        indices: places
            .iter()
            .filter_map(|&at| sorted.get(at).map(|&(_, index)| index))
            .collect(),
        next: last.and_then(|last| cursor_of(last, first_of, time_at)),
        polled: None,
    })
}

/// The position a cursor stands at.
fn behind(
    cursor: Cursor,
    first_of: impl Fn(i64) -> usize,
    time_at: impl Fn(usize) -> Option<i64>,
) -> Option<usize> {
    let position = first_of(cursor.ms).checked_add(cursor.n)?;
    let stands = cursor.n == 0 || time_at(position - 1) == Some(cursor.ms);
    stands.then_some(position)
}

/// The cursor that stands behind the event at `position`.
fn cursor_of(
    position: usize,
    first_of: impl Fn(i64) -> usize,
    time_at: impl Fn(usize) -> Option<i64>,
) -> Option<Cursor> {
    let ms = time_at(position)?;
    Some(Cursor {
        ms,
        n: position + 1 - first_of(ms),
    })
}
