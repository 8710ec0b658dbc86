//! Rapid7 InsightOps, by its webhook: one log entry per request.
//!
//! Settings: `{ "region": "eu", "token": ".." }`, or `base_url` in place of the region. "Delivered" means
//! accepted: a token that does not exist, or exists in another region, is answered like a good one, so
//! only reading back proves more (see the test). There is no way to tell a repeated entry: after a crash
//! those of one batch, after an outage fewer than are in flight, come twice, with the same `uuid` in them.
//!
//! An event larger than an entry may be is delivered shrunk and marked, one that is not UTF-8 is refused.
//! The token is part of the address, so that is never shown, nor are answers that repeat it.

mod entry;
mod omit;
mod parts;
mod read_back;
mod settings;
mod shrink;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use model::status::Trouble;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::time::Instant;

use crate::each::{self, Outcome};
use crate::http::{Answer, Hidden, Http, send};
use crate::{
    Batch, Check, Checked, Destination, FieldError, Limits, Progress, Proof, Report, Settings,
    Then, Verdict,
};
use entry::Entry;
use read_back::Pace;
use settings::Valid;

/// A crash repeats what was sent of a batch, and there is no way to tell a repeated entry; so a batch is
/// what some seconds bring, not what memory holds.
const LIMITS: Limits = Limits {
    max_events: 500,
    max_bytes: 4 << 20,
};

/// How long a test may take.
const TEST: Duration = Duration::from_secs(25);
/// How much of it the entry may take.
const TEST_POST: Duration = Duration::from_secs(10);

/// A log of InsightOps that entries are posted to.
#[derive(Debug)]
pub struct InsightOpsDestination {
    http: Http,
    settings: Valid,
    hidden: Hidden,
}

impl InsightOpsDestination {
    /// The word of this kind.
    pub const KIND: &str = "insightops";

    /// Answered as taken; a wrong token is, too.
    pub const PROOF: Proof = Proof::Accepted;

    /// A destination of these settings. Does not touch the network.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub(crate) fn new(http: Http, settings: &Settings) -> Result<Self, Vec<FieldError>> {
        let settings = Valid::parse(&http, settings)?;
        let hidden = Hidden::of(settings.secrets());
        Ok(Self {
            http,
            settings,
            hidden,
        })
    }

    /// The settings as they should be stored.
    pub(crate) fn checked(&self) -> Checked {
        self.settings.checked()
    }

    /// One try of one event.
    async fn attempt(&self, event: Bytes) -> Outcome {
        let limit = self.settings.max_event_bytes;
        let entry = match Entry::of(&event, limit) {
            Ok(entry) => entry,
            Err((cause, detail)) => return Outcome::Refused(cause, detail),
        };
        let size = entry.bytes.len();
        match self.post(entry).await {
            Posted::Known(outcome) => outcome,
            Posted::TooLarge(_) => {
                // Once more with half of it: this server's limit is not the one we know.
                match Entry::of(&event, size / 2) {
                    Ok(half) => match self.post(half).await {
                        Posted::Known(outcome) => outcome,
                        Posted::TooLarge(told) => Outcome::Refused("too_large", told),
                    },
                    Err((cause, detail)) => Outcome::Refused(cause, detail),
                }
            }
        }
    }

    async fn post(&self, entry: Entry) -> Posted {
        match self.send(entry.bytes, None).await {
            Ok(answer) if answer.is_success() => Posted::Known(match entry.left_out {
                Some(left_out) => Outcome::Shrunk(left_out),
                None => Outcome::Delivered,
            }),
            Ok(answer) if answer.status == 413 => Posted::TooLarge(answer.told()),
            Ok(answer) => Posted::Known(self.not_taken(&answer)),
            Err(outcome) => Posted::Known(outcome),
        }
    }

    /// Posts an entry; the error says why there is no answer.
    async fn send(&self, entry: Bytes, timeout: Option<Duration>) -> Result<Answer, Outcome> {
        let to = &self.settings.ingest;
        let mut request = self.http.post(to);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let request = request.header(CONTENT_TYPE, "application/json").body(entry);
        let answer = send(request, &self.hidden).await;
        answer.map_err(|fault| Outcome::unanswered(to.host(), fault))
    }

    /// What an answer other than success and 413 means.
    fn not_taken(&self, answer: &Answer) -> Outcome {
        if answer.is_passing() {
            return match answer.retry_after {
                // It wants to be left alone, not asked again at once.
                Some(_) => Outcome::Ended(answer.later()),
                None => Outcome::Passing(answer.later()),
            };
        }
        let what = match answer.status {
            300..=399 => {
                "the address has moved and redirects are not followed, check region or base_url"
            }
            401 | 403 => "the log may not be written to, check token and region",
            404 => {
                "there is no such log, check that the token was copied whole and base_url is right"
            }
            410 => {
                "this way to send entries has been withdrawn, look for a newer version of the collector"
            }
            _ => "the entry was not taken, check region or base_url",
        };
        let host = self.settings.ingest.host();
        Outcome::Ended(Then::Stop {
            trouble: Trouble::DestinationRefuses,
            detail: format!("{what}; {host}: {}", answer.told()),
        })
    }

    /// Posts an entry with the nonce in it.
    async fn test_entry(&self, nonce: &str, now: DateTime<Utc>) -> Check {
        let now = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let canary = json!({ "okta_collector_test": nonce, "sent_at": now }).to_string();
        let answer = self.send(canary.into(), Some(TEST_POST)).await;
        let (verdict, detail) = match answer {
            Ok(answer) if answer.is_success() => (
                Verdict::Passed,
                format!(
                    "{}; a token that does not exist or is of another region is answered the same way",
                    answer.told()
                ),
            ),
            Ok(answer) => refused(self.not_taken(&answer)),
            Err(outcome) => refused(outcome),
        };
        Check {
            name: "accepted",
            verdict,
            detail,
        }
    }
}

/// What became of an entry.
enum Posted {
    Known(Outcome),
    /// 413, with what was told.
    TooLarge(String),
}

/// What a test says of an entry that was not taken.
fn refused(outcome: Outcome) -> (Verdict, String) {
    match outcome {
        Outcome::Ended(Then::Stop { detail, .. }) => (Verdict::Failed("refused"), detail),
        Outcome::Ended(Then::Retry { detail, .. })
        | Outcome::Passing(Then::Retry { detail, .. }) => (Verdict::Failed("unavailable"), detail),
        _ => (Verdict::Skipped, "not tried".to_owned()),
    }
}

#[async_trait]
impl Destination for InsightOpsDestination {
    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn deliver(&self, batch: &Batch, progress: &Progress) -> Report {
        let in_flight = self.settings.in_flight;
        each::deliver(&batch.events, in_flight, progress, |event| {
            self.attempt(event)
        })
        .await
    }

    /// Posts an entry, and reads it back if there is a key to read with.
    async fn test(&self, nonce: &str, now: DateTime<Utc>) -> Vec<Check> {
        let until = Instant::now() + TEST;
        let accepted = self.test_entry(nonce, now).await;
        let skipped = |detail: &str| Check {
            name: "read_back",
            verdict: Verdict::Skipped,
            detail: detail.to_owned(),
        };
        let read_back = match (&self.settings.read_back, accepted.verdict) {
            (_, Verdict::Failed(_) | Verdict::Skipped) => {
                skipped("not tried, for the entry was not accepted")
            }
            (None, Verdict::Passed) => skipped(
                "accepted, not proven: give log_id and read_key to have the entry read back from the log",
            ),
            (Some(log), Verdict::Passed) => {
                let pace = Pace::usual(until);
                read_back::find(&self.http, log, &self.hidden, nonce, now, pace).await
            }
        };
        vec![accepted, read_back]
    }
}
