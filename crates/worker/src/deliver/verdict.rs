//! What a report of a destination means for the position: how far it moves, what is dead, and
//! whether too many events in a row were refused for one cause.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use forward::{Refusal, Report, Shrunk, Then};
use model::status::Trouble;
use store::{DeadEvent, DeadKind, Flight, Position, Settled};

use super::plan::Planned;
use crate::context::readable;

/// So many events in a row refused for one cause are no bad events, but a bad route.
pub(super) const TOO_MANY: i32 = 20;

/// A run of refused events: how many, why, and where it began.
type Run = (i32, String, (NaiveDate, i64, i32));

pub(super) struct Judged {
    pub(super) settled: Settled,
    pub(super) then: Then,
}

/// The run of refused events that a position remembers.
pub(super) fn run_so_far(position: &Position) -> Option<Run> {
    let begin = position.refused_from()?;
    Some((
        position.refused_in_row,
        position.refused_cause.clone()?,
        begin,
    ))
}

/// Judges a report.
pub(super) fn judge(position: &Position, planned: &Planned, report: &Report) -> Judged {
    let report = splitting_the_unsplittable(planned, report);
    let refused: HashMap<usize, &Refusal> = report
        .refused
        .iter()
        .map(|refusal| (refusal.index, refusal))
        .collect();
    let shrunk: HashMap<usize, &Shrunk> = report.shrunk.iter().map(|it| (it.index, it)).collect();
    let before = run_so_far(position);
    let mut run = before.clone();
    let mut hours: Vec<(DateTime<Utc>, i64)> = Vec::new();
    let mut dead = Vec::new();
    for (index, (place, event)) in planned
        .places
        .iter()
        .zip(planned.raw.iter())
        .enumerate()
        .take(report.settled)
    {
        let Some(refusal) = refused.get(&index) else {
            run = None;
            if let Some(shrunk) = shrunk.get(&index) {
                dead.push(DeadEvent {
                    kind: DeadKind::Shrunk,
                    number: place.number,
                    index: place.index,
                    hour: place.hour,
                    cause: "too_large".to_owned(),
                    detail: readable(&shrunk.detail),
                    event: event.to_vec(),
                });
            }
            match hours.last_mut() {
                Some((hour, events)) if *hour == place.hour => *events += 1,
                _ => hours.push((place.hour, 1)),
            }
            continue;
        };
        run = match run {
            Some((count, cause, begin)) if cause == refusal.cause => {
                Some((count + 1, cause, begin))
            }
            _ => Some((
                1,
                refusal.cause.to_owned(),
                (place.day, place.number, place.index),
            )),
        };
        dead.push(DeadEvent {
            kind: DeadKind::Refused,
            number: place.number,
            index: place.index,
            hour: place.hour,
            cause: refusal.cause.to_owned(),
            detail: readable(&refusal.detail),
            event: event.to_vec(),
        });
        if let Some((TOO_MANY.., cause, begin)) = &run {
            return stopped(before.as_ref(), cause, *begin, hours, dead, &refusal.detail);
        }
    }
    let to = match planned.places.get(report.settled) {
        _ if report.settled == 0 => None,
        Some(next) => Some((next.day, next.number, next.index)),
        None => Some(planned.end),
    };
    let settled = Settled {
        to,
        delivered: hours,
        dead,
        flight: flight_after(planned, &report),
        refused: run,
        recall: false,
        trouble: None,
    };
    Judged {
        settled,
        then: report.then,
    }
}

/// The run is too long: the position goes back to its begin, wherever that is, and what was counted
/// as dead of it is undelivered again.
fn stopped(
    before: Option<&Run>,
    cause: &str,
    begin: (NaiveDate, i64, i32),
    delivered: Vec<(DateTime<Utc>, i64)>,
    mut dead: Vec<DeadEvent>,
    detail: &str,
) -> Judged {
    // A run that began in an earlier delivery batch has dead letters that must be taken back.
    let recall = before.is_some_and(|(_, _, earlier)| *earlier == begin);
    dead.retain(|event| (event.number, event.index) < (begin.1, begin.2));
    let settled = Settled {
        to: Some(begin),
        delivered,
        dead,
        flight: None,
        refused: None,
        recall,
        trouble: None,
    };
    let then = Then::Stop {
        trouble: Trouble::EventsRefused,
        detail: format!("{TOO_MANY} events in a row were refused: {cause}: {detail}"),
    };
    Judged { settled, then }
}

/// The delivery batch in flight after an attempt: none when all of it is settled; half of what is
/// left when the destination wants less; else the same.
fn flight_after(planned: &Planned, report: &Report) -> Option<Flight> {
    if report.settled >= planned.places.len() {
        return None;
    }
    if report.then != Then::Split {
        return Some(planned.flight.clone());
    }
    let half = report.settled + (planned.places.len() - report.settled) / 2;
    let end = planned.places.get(half)?;
    Some(Flight {
        number: end.number,
        index: end.index,
        format: planned.flight.format.clone(),
    })
}

/// A single event that is too large to be split is refused.
fn splitting_the_unsplittable(planned: &Planned, report: &Report) -> Report {
    let left = planned.places.len().saturating_sub(report.settled);
    if report.then != Then::Split || left != 1 {
        return report.clone();
    }
    let mut report = report.clone();
    report.refused.push(Refusal {
        index: report.settled,
        cause: "too_large",
        detail: "the event alone is larger than the destination takes".to_owned(),
    });
    report.settled += 1;
    report.then = Then::Continue;
    report
}
