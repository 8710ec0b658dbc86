//! Selects the events of a page.

use std::ops::Range;

use chrono::TimeDelta;

use crate::errors::ApiError;
use crate::events::EventLog;
use crate::logs::cursor::{Cursor, Place, name_of};
use crate::logs::query::{Kind, Order, Query};

/// Events persisted longer ago are not shown.
pub(crate) const RETENTION: TimeDelta = TimeDelta::days(90);

/// A page: which events, and where the next one starts.
#[derive(Debug)]
pub(crate) struct Page {
    /// Indices into the log, in the order shown.
    pub(crate) indices: Vec<usize>,
    /// `None` on the last page of a bounded query.
    pub(crate) next: Option<Next>,
    /// For polling pages.
    pub(crate) polled: Option<Polled>,
}

/// Where the next page starts.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) cursor: Cursor,
    /// Going down, `until` moves to the last event's `published`, which counts as inside then.
    pub(crate) edge_ms: Option<i64>,
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
        } => {
            log.sort();
            let window = Window { log, query, oldest };
            match order {
                Order::Ascending => window.up(since_ms..until_ms),
                Order::Descending => window.down(since_ms..until_ms),
            }
        }
    }
}

fn polling(log: &EventLog, query: &Query, since_ms: i64, oldest: usize) -> Result<Page, ApiError> {
    let place = match &query.after {
        None => Place { ms: since_ms, n: 0 },
        Some(Cursor::Up(place)) => *place,
        Some(Cursor::Down(_)) => return Err(ApiError::bad_cursor()),
    };
    let first_of = |ms| log.first_persisted_at(ms);
    let start =
        behind(place, first_of, |at| log.persisted_ms(at)).ok_or_else(ApiError::bad_cursor)?;
    let mut indices = Vec::new();
    let mut end = start.max(oldest);
    while indices.len() < query.limit && end < log.len() {
        if log.is_polled(end) && query.wants(log, end) {
            indices.push(end);
        }
        end += 1;
    }
    let last = indices.last().copied();
    let next = last.and_then(|last| place_of(last, first_of, |at| log.persisted_ms(at)));
    Ok(Page {
        indices,
        next: Some(Next {
            cursor: Cursor::Up(next.unwrap_or(place)),
            edge_ms: None,
        }),
        // The clipped part of a cursor's past is read: nobody can get it any more.
        polled: Some(Polled { asked: start, end }),
    })
}

/// A bounded query over the events in the order of their `published`.
struct Window<'a> {
    log: &'a EventLog,
    query: &'a Query,
    oldest: usize,
}

impl Window<'_> {
    fn up(&self, range_ms: Range<i64>) -> Result<Page, ApiError> {
        let mut low = self.first_of(range_ms.start);
        match &self.query.after {
            None => {}
            Some(Cursor::Up(place)) => {
                let after = behind(*place, |ms| self.first_of(ms), |at| self.time_at(at));
                low = low.max(after.ok_or_else(ApiError::bad_cursor)?);
            }
            Some(Cursor::Down(_)) => return Err(ApiError::bad_cursor()),
        }
        let (places, last) = self.take(low..self.first_of(range_ms.end));
        let place = last.and_then(|at| place_of(at, |ms| self.first_of(ms), |at| self.time_at(at)));
        let next = place.map(|place| Next {
            cursor: Cursor::Up(place),
            edge_ms: None,
        });
        Ok(self.page(&places, next))
    }

    fn down(&self, range_ms: Range<i64>) -> Result<Page, ApiError> {
        let high = match &self.query.after {
            None => self.first_of(range_ms.end),
            Some(Cursor::Up(_)) => return Err(ApiError::bad_cursor()),
            Some(Cursor::Down(name)) => {
                let edge = self.first_of(range_ms.end);
                (edge..self.first_of(range_ms.end.saturating_add(1)))
                    .find(|&at| {
                        self.index(at)
                            .is_some_and(|index| name_of(self.log, index) == *name)
                    })
                    .ok_or_else(ApiError::bad_cursor)?
            }
        };
        let (places, last) = self.take((self.first_of(range_ms.start)..high).rev());
        let next = last.and_then(|at| {
            Some(Next {
                cursor: Cursor::Down(name_of(self.log, self.index(at)?)),
                edge_ms: Some(self.time_at(at)?),
            })
        });
        Ok(self.page(&places, next))
    }

    /// The places of a page, and its last one if more follows.
    fn take(&self, range: impl Iterator<Item = usize>) -> (Vec<usize>, Option<usize>) {
        let shown = |at: &usize| {
            self.index(*at).is_some_and(|index| {
                index >= self.oldest
                    && self.log.is_in_windows(index)
                    && self.query.wants(self.log, index)
            })
        };
        let mut places: Vec<usize> = range.filter(shown).take(self.query.limit + 1).collect();
        let more = places.len() > self.query.limit;
        places.truncate(self.query.limit);
        let last = places.last().copied().filter(|_| more);
        (places, last)
    }

    fn page(&self, places: &[usize], next: Option<Next>) -> Page {
        Page {
            indices: places.iter().filter_map(|&at| self.index(at)).collect(),
            next,
            polled: None,
        }
    }

    fn first_of(&self, ms: i64) -> usize {
        let sorted = self.log.by_published();
        sorted.partition_point(|&(published, _)| published < ms)
    }

    fn time_at(&self, at: usize) -> Option<i64> {
        self.log.by_published().get(at).map(|&(ms, _)| ms)
    }

    fn index(&self, at: usize) -> Option<usize> {
        self.log.by_published().get(at).map(|&(_, index)| index)
    }
}

/// The position a cursor stands at.
fn behind(
    place: Place,
    first_of: impl Fn(i64) -> usize,
    time_at: impl Fn(usize) -> Option<i64>,
) -> Option<usize> {
    let position = first_of(place.ms).checked_add(place.n)?;
    let stands = place.n == 0 || time_at(position - 1) == Some(place.ms);
    stands.then_some(position)
}

/// The place behind the event at `position`.
fn place_of(
    position: usize,
    first_of: impl Fn(i64) -> usize,
    time_at: impl Fn(usize) -> Option<i64>,
) -> Option<Place> {
    let ms = time_at(position)?;
    Some(Place {
        ms,
        n: position + 1 - first_of(ms),
    })
}
