//! What jobs are given, and what they give back.

use std::time::Duration;

use model::job::Outcome;
use model::schedule::backoff;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Worker;
use crate::budget::Budgets;
use crate::lanes::Hint;
use crate::metrics::Metrics;
use crate::wall::Wall;

/// What jobs need of the process they run in.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) worker: Worker,
    pub(crate) metrics: Metrics,
    pub(crate) wall: Wall,
    pub(crate) budgets: Budgets,
    /// The process is to end: finish at the next checkpoint.
    pub(crate) stop: CancellationToken,
    pub(crate) hints: mpsc::UnboundedSender<Hint>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    /// For deliver jobs: whether the route counts as failing now.
    pub(crate) failing: Option<bool>,
}

impl From<Outcome> for Ran {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            failing: None,
        }
    }
}

impl Context {
    /// Tells the runner that there is new work in these lanes.
    pub(crate) fn due_now(&self, lanes: &[i32]) {
        for lane in lanes {
            // The runner may have stopped; then somebody else finds them.
            self.hints.send(Hint::Work { lane: *lane }).ok();
        }
    }
}

/// A backoff with jitter, by the attempts or failures so far.
pub(crate) fn backoff_for(attempt: i32, base: Duration, cap: Duration) -> Duration {
    backoff(
        u32::try_from(attempt).unwrap_or(1),
        base,
        cap,
        rand::random(),
    )
}

/// A text of somebody else, fit for a column and for a person: no control characters, not too long.
pub(crate) fn readable(text: &str) -> String {
    const LONGEST: usize = 1000;
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readable_text_has_no_control_characters_and_an_end() {
        assert_eq!(readable("a\0b\nc"), "a b c");
        assert_eq!(readable(&"ä".repeat(5000)).chars().count(), 1000);
    }
}
