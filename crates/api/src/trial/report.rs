//! What a test of a credential showed, step by step.

use std::time::Duration;

use chrono::{DateTime, Utc};
use forward::{Check, Verdict};
use okta::{Failure, OrgInfo};

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The host can be reached.
    Domain,
    /// It is an Okta org, and the right one.
    Organisation,
    /// Okta accepts the secret.
    Token,
    /// It may read the log.
    Permission,
    /// What it may ask.
    RateLimit,
    /// When something last happened.
    NewestEvent,
    /// How much happens.
    EventsPerMinute,
    /// Two events.
    Sample,
}

impl Step {
    const ALL: [Self; 8] = [
        Self::Domain,
        Self::Organisation,
        Self::Token,
        Self::Permission,
        Self::RateLimit,
        Self::NewestEvent,
        Self::EventsPerMinute,
        Self::Sample,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Organisation => "organisation",
            Self::Token => "token",
            Self::Permission => "permission",
            Self::RateLimit => "rate_limit",
            Self::NewestEvent => "newest_event",
            Self::EventsPerMinute => "events_per_minute",
            Self::Sample => "sample",
        }
    }
}

/// The window that an answer described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateSeen {
    pub(crate) limit: u32,
    pub(crate) usable: u32,
    pub(crate) remaining: u32,
    pub(crate) resets_in_seconds: u64,
}

/// What a test showed.
#[derive(Debug)]
pub(crate) struct Report {
    checks: Vec<(Step, Verdict, String)>,
    current: Step,
    pub(crate) organization: Option<OrgInfo>,
    pub(crate) rate: Option<RateSeen>,
    pub(crate) newest_event_at: Option<DateTime<Utc>>,
    pub(crate) events_per_minute: Option<f64>,
    pub(crate) sample: Vec<String>,
    /// Okta let it read the log.
    pub(crate) accepted: bool,
    /// Why it did not.
    pub(crate) failure: Option<Failure>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            checks: Vec::new(),
            current: Step::Domain,
            organization: None,
            rate: None,
            newest_event_at: None,
            events_per_minute: None,
            sample: Vec::new(),
            accepted: false,
            failure: None,
        }
    }

    /// The report of a test that could not begin.
    pub(crate) fn failed(step: Step, code: &'static str, detail: impl Into<String>) -> Self {
        let mut report = Self::new();
        report.fail(step, code, detail);
        report
    }

    /// Says which step is under way.
    pub(crate) fn begin(&mut self, step: Step) {
        self.current = step;
    }

    pub(crate) fn current(&self) -> Step {
        self.current
    }

    pub(crate) fn pass(&mut self, step: Step, detail: impl Into<String>) {
        self.set(step, Verdict::Passed, detail.into());
    }

    pub(crate) fn fail(&mut self, step: Step, code: &'static str, detail: impl Into<String>) {
        self.set(step, Verdict::Failed(code), detail.into());
    }

    /// Fails a step for what Okta, or the way there, said.
    pub(crate) fn refuse(&mut self, step: Step, failure: Failure) {
        let (code, detail) = (failure.error.code(), failure.to_string());
        self.refuse_as(step, code, detail, failure);
    }

    /// The same, in other words.
    pub(crate) fn refuse_as(
        &mut self,
        step: Step,
        code: &'static str,
        detail: String,
        failure: Failure,
    ) {
        let detail = match &failure.request_id {
            Some(id) => format!("{detail} (Okta request {id})"),
            None => detail,
        };
        self.fail(step, code, detail);
        self.failure = Some(failure);
    }

    /// Ends a test that took too long.
    pub(crate) fn break_off(&mut self, after: Duration) {
        let detail = format!("no answer within {} s", after.as_secs());
        self.fail(self.current, "timed_out", detail);
    }

    pub(crate) fn note_rate(&mut self, seen: RateSeen) {
        self.rate = Some(seen);
        let RateSeen {
            limit,
            usable,
            remaining,
            resets_in_seconds,
        } = seen;
        let detail = format!(
            "Okta grants {limit} requests a window, {usable} of them are for the collector; \
             {remaining} are left, the window resets in {resets_in_seconds} s"
        );
        self.pass(Step::RateLimit, detail);
    }

    /// Whether nothing failed.
    pub(crate) fn ok(&self) -> bool {
        !self.checks.iter().any(|(_, verdict, _)| is_failed(verdict))
    }

    /// All steps in order; those that were not come to are skipped.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let failed = self
            .checks
            .iter()
            .find(|(_, verdict, _)| is_failed(verdict))
            .map(|(step, ..)| format!("not tried, because {} failed", step.as_str()));
        let skipped = failed.unwrap_or_else(|| "nothing to tell".to_owned());
        let checks = Step::ALL.into_iter().map(|step| {
            let found = self.checks.iter().find(|(found, ..)| *found == step);
            let (verdict, detail) = match found {
                Some((_, verdict, detail)) => (*verdict, detail.clone()),
                None => (Verdict::Skipped, skipped.clone()),
            };
            Check {
                name: step.as_str(),
                verdict,
                detail,
            }
        });
        checks.collect()
    }

    fn set(&mut self, step: Step, verdict: Verdict, detail: String) {
        self.checks.retain(|(found, ..)| *found != step);
        self.checks.push((step, verdict, detail));
    }
}

fn is_failed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(_))
}
