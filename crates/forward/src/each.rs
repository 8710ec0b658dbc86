//! One request per event, several under way at once.
//!
//! A window slides over the events: at most `in_flight` from the first unanswered one on have been sent,
//! so that few may overtake each other and few come again after a crash or an outage. A fault of a single
//! request is tried again in place; one that stays ends the attempt: nothing new is sent, what is under
//! way is waited for, and the report is about those before the first failure. An attempt that takes long
//! ends early with what it has, so that what was taken is written down and others have their turn.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use egress::Fault;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;

use crate::http::unanswered;
use crate::{Events, Progress, Refusal, Report, Shrunk, Then};

/// How often one request is tried.
const TRIES: u32 = 4;
/// The longest pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(100);

/// After so long nothing new is sent: the rest of the batch is for the next attempt.
const BUDGET: Duration = Duration::from_secs(10);

/// What became of one try of one event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Taken.
    Delivered,
    /// Taken after something was left out.
    Shrunk(String),
    /// Refused for good: a stable word, and a detail for a person.
    Refused(&'static str, String),
    /// Not taken, by a fault that may concern this request alone.
    Passing(Then),
    /// Not taken, and the next one would not be either.
    Ended(Then),
}

impl Outcome {
    /// What a request that has no answer means.
    pub(crate) fn unanswered(host: &str, fault: Fault) -> Self {
        let alone = matches!(fault, Fault::Transport(_));
        let then = unanswered(host, fault);
        if alone {
            Self::Passing(then)
        } else {
            Self::Ended(then)
        }
    }
}

/// Delivers the events one by one, up to `in_flight` at once; `attempt` makes one try of one of them.
pub(crate) async fn deliver<F: Future<Output = Outcome>>(
    events: &Events,
    in_flight: usize,
    progress: &Progress,
    attempt: impl Fn(Bytes) -> F,
) -> Report {
    deliver_within(BUDGET, events, in_flight, progress, attempt).await
}

async fn deliver_within<F: Future<Output = Outcome>>(
    budget: Duration,
    events: &Events,
    in_flight: usize,
    progress: &Progress,
    attempt: impl Fn(Bytes) -> F,
) -> Report {
    let begun = Instant::now();
    let over = AtomicBool::new(false);
    let (attempt, over) = (&attempt, &over);
    let several = async |event: Bytes| {
        let mut tries = 0;
        loop {
            let outcome = attempt(event.clone()).await;
            progress.answered();
            tries += 1;
            let ends = match outcome {
                Outcome::Passing(_) => tries >= TRIES || over.load(Ordering::Relaxed),
                Outcome::Ended(_) => true,
                _ => return outcome,
            };
            if ends {
                over.store(true, Ordering::Relaxed);
                return outcome;
            }
            tokio::time::sleep(pause(tries)).await;
        }
    };
    let mut waiting = events.shared();
    let mut sent = FuturesOrdered::new();
    let mut report = Report::all(0);
    loop {
        let fresh = report.settled == 0 && sent.is_empty();
        while sent.len() < in_flight
            && !over.load(Ordering::Relaxed)
            && (fresh || begun.elapsed() < budget)
            && let Some(event) = waiting.next()
        {
            sent.push_back(several(event));
        }
        let Some(outcome) = sent.next().await else {
            return report;
        };
        if report.then == Then::Continue {
            note(&mut report, outcome);
        }
    }
}

/// Adds what became of the next event.
fn note(report: &mut Report, outcome: Outcome) {
    let index = report.settled;
    match outcome {
        Outcome::Delivered => {}
        Outcome::Shrunk(detail) => report.shrunk.push(Shrunk { index, detail }),
        Outcome::Refused(cause, detail) => report.refused.push(Refusal {
            index,
            cause,
            detail,
        }),
        Outcome::Passing(then) | Outcome::Ended(then) => {
            report.then = then;
            return;
        }
    }
    report.settled += 1;
}

/// The pause after so many tries, at random between half and all of it: those under way at once must not
/// come back at once.
fn pause(tries: u32) -> Duration {
    let longest = PAUSE * 2u32.saturating_pow(tries.saturating_sub(1));
    longest.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_attempt_that_takes_long_ends_with_what_it_has() {
        let events = Events::from_lines("a\nb\nc\nd\ne\n");
        let progress = Progress::default();
        let sent = std::sync::Mutex::new(Vec::new());
        let attempt = async |event: Bytes| {
            sent.lock().unwrap().push(event);
            Outcome::Delivered
        };
        let report = deliver_within(Duration::ZERO, &events, 2, &progress, attempt).await;
        assert_eq!((report.settled, &report.then), (2, &Then::Continue));
        assert_eq!(
            sent.lock().unwrap().len(),
            2,
            "the first window, and no more"
        );
        let report = deliver_within(Duration::from_hours(1), &events, 2, &progress, attempt).await;
        assert_eq!(report, Report::all(5));
    }
}
