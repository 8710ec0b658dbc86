//! What the API says about the source, and what else is seen at one moment.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// The parts of a source's status that the demo uses.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    pub(super) running: bool,
    pub(super) polling: Polling,
    pub(super) delivery: Delivery,
    /// When this was said, by the service's clock.
    #[serde(skip)]
    pub(super) now: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Polling {
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) next_step: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) next_poll_at: Option<DateTime<Utc>>,
    #[serde(rename = "polling_now")]
    pub(super) under_way: bool,
    pub(super) stored_events: u64,
    pub(super) budget: Option<Budget>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Budget {
    pub(super) left: u64,
    pub(super) limit: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Delivery {
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) next_step: Option<String>,
    pub(super) routes: Vec<Route>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Route {
    pub(super) detail: Option<String>,
    pub(super) pending_events: u64,
    pub(super) delivered_events: u64,
    pub(super) dead_letters: u64,
}

/// Everything that is seen at one moment.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Since the source was made.
    pub(super) at: Duration,
    pub(super) status: Status,
    /// By the simulator; none of a real org.
    pub(super) published: Option<u64>,
    /// By the simulator.
    pub(super) unread: u64,
    /// The simulator's last page was the empty one at the end.
    pub(super) head: bool,
    /// Requests the simulator has seen.
    pub(super) requests: usize,
}

impl Seen {
    pub(super) fn stored(&self) -> u64 {
        self.status.polling.stored_events
    }

    pub(super) fn delivered(&self) -> u64 {
        self.routes(|route| route.delivered_events)
    }

    pub(super) fn pending(&self) -> u64 {
        self.routes(|route| route.pending_events)
    }

    pub(super) fn dead(&self) -> u64 {
        self.routes(|route| route.dead_letters)
    }

    fn routes(&self, count: impl Fn(&Route) -> u64) -> u64 {
        self.status.delivery.routes.iter().map(count).sum()
    }

    /// What keeps the source from running, and what to do; a line for each half.
    pub(super) fn notes(&self) -> Vec<String> {
        let (polling, delivery) = (&self.status.polling, &self.status.delivery);
        let route = delivery
            .routes
            .iter()
            .find_map(|route| route.detail.as_ref());
        [
            note(
                "polling",
                polling.reason.as_ref(),
                polling.detail.as_ref(),
                polling.next_step.as_ref(),
            ),
            note(
                "delivery",
                delivery.reason.as_ref(),
                route,
                delivery.next_step.as_ref(),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Everything about a run that is stuck, in one line.
    pub(super) fn trouble(&self) -> String {
        let Status {
            polling, delivery, ..
        } = &self.status;
        let mut parts = vec![format!(
            "polling is {}, delivery is {}",
            polling.state, delivery.state
        )];
        parts.push(format!(
            "{} events unread at the org, {} stored, {} waiting for delivery, {} delivered, {} refused",
            self.unread,
            self.stored(),
            self.pending(),
            self.delivered(),
            self.dead(),
        ));
        parts.extend(self.notes());
        parts.join("; ")
    }
}

fn note(
    half: &str,
    reason: Option<&String>,
    detail: Option<&String>,
    next_step: Option<&String>,
) -> Option<String> {
    let detail = detail.map(|detail| format!(" ({detail})"));
    let next_step = next_step.map(|step| format!("; {step}"));
    let (detail, next_step) = (detail.unwrap_or_default(), next_step.unwrap_or_default());
    Some(format!("{half}: {}{detail}{next_step}", reason?))
}
