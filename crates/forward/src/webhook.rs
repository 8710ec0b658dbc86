//! A webhook: events are posted to an address of the user's, in batches or one by one.
//!
//! Settings: `{ "url": "https://example.com/events", "body": "ndjson" }`. "Delivered" means that it was
//! answered with success. The same events come with the same body and the same `Idempotency-Key` on
//! every attempt, so a receiver that remembers keys can drop what a crash repeats.
//!
//! An answer that says no to a batch may be about one event of it, so the batch is split until that
//! event is alone. Bodies are UTF-8: an event that is not is refused.

mod body;
mod headers;
mod judge;
mod settings;

use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use egress::Fault;
use model::status::Trouble;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde_json::json;

use crate::each::{self, Outcome};
use crate::http::{Answer, Hidden, Http, send, unanswered};
use crate::{
    Batch, Check, Checked, Destination, FieldError, Limits, Progress, Proof, Refusal, Report,
    Settings, Then, Verdict,
};
use body::{Form, gzip};
use judge::{Judged, judge};
use settings::Valid;

/// How long a test waits for an answer.
const TEST: Duration = Duration::from_secs(25);

/// An address that events are posted to.
#[derive(Debug)]
pub struct WebhookDestination {
    http: Http,
    settings: Valid,
    headers: HeaderMap,
    hidden: Hidden,
}

impl WebhookDestination {
    /// The word of this kind.
    pub const KIND: &str = "webhook";

    /// Answered with success; what becomes of the events behind that is not known.
    pub const PROOF: Proof = Proof::Accepted;

    /// A destination of these settings. Does not touch the network.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub(crate) fn new(http: Http, settings: &Settings) -> Result<Self, Vec<FieldError>> {
        let settings = Valid::parse(&http, settings)?;
        Ok(Self {
            http,
            headers: settings.headers.to_map(),
            hidden: Hidden::of(settings.headers.values()),
            settings,
        })
    }

    /// The settings as they should be stored.
    pub(crate) fn checked(&self) -> Checked {
        self.settings.checked()
    }

    /// Posts events under a key.
    async fn post(
        &self,
        events: &[Bytes],
        key: &str,
        wait: Option<Duration>,
    ) -> Result<Answer, Fault> {
        let Valid { to, form, .. } = &self.settings;
        let mut request = self
            .http
            .post(to)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, form.content_type())
            .header("idempotency-key", key);
        let mut body = form.body(events);
        if self.settings.gzip {
            body = packed(body).await?;
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(wait) = wait {
            request = request.timeout(wait);
        }
        send(request.body(body), &self.hidden).await
    }

    /// One try of one event in a request of its own.
    async fn attempt(&self, event: Bytes) -> Outcome {
        if let Err(detail) = is_text(&event) {
            return Outcome::Refused(NOT_UTF8, detail);
        }
        let host = self.settings.to.host();
        let answer = match self
            .post(std::slice::from_ref(&event), &key_of(&event), None)
            .await
        {
            Ok(answer) => answer,
            Err(fault) => return Outcome::unanswered(host, fault),
        };
        match judge(host, &answer) {
            Judged::Delivered => Outcome::Delivered,
            Judged::TooLarge(told) => Outcome::Refused(TOO_LARGE, told),
            Judged::Rejected(told) => Outcome::Refused(REJECTED, told),
            // It wants to be left alone, not asked again at once.
            Judged::Later(then) if answer.retry_after.is_some() => Outcome::Ended(then),
            Judged::Later(then) => Outcome::Passing(then),
            Judged::Stop(then) => Outcome::Ended(then),
        }
    }

    /// A batch in one request.
    async fn deliver_together(&self, batch: &Batch) -> Report {
        let mut refused = Vec::new();
        let mut sent = Vec::with_capacity(batch.events.len());
        for (index, event) in batch.events.shared().enumerate() {
            match is_text(&event) {
                Ok(()) => sent.push((index, event)),
                Err(detail) => refused.push(Refusal {
                    index,
                    cause: NOT_UTF8,
                    detail,
                }),
            }
        }
        let settled = |refused| Report {
            refused,
            ..Report::all(batch.events.len())
        };
        let events: Vec<Bytes> = sent.iter().map(|(_, event)| event.clone()).collect();
        let alone = match sent.as_slice() {
            [] => return settled(refused),
            [(index, _)] => Some(*index),
            _ => None,
        };
        let bytes: usize = events.iter().map(Bytes::len).sum();
        if alone.is_none() && bytes > self.settings.limits.max_bytes {
            // The format has added to what was planned.
            return Report::none(Then::Split);
        }
        let host = self.settings.to.host();
        let answer = match self.post(&events, &batch.key, None).await {
            Ok(answer) => answer,
            Err(fault) => return Report::none(unanswered(host, fault)),
        };
        let (cause, detail) = match judge(host, &answer) {
            Judged::Delivered => return settled(refused),
            Judged::Later(then) | Judged::Stop(then) => return Report::none(then),
            Judged::TooLarge(told) => (TOO_LARGE, told),
            Judged::Rejected(told) => (REJECTED, told),
        };
        let Some(index) = alone else {
            return Report::none(Then::Split);
        };
        refused.push(Refusal {
            index,
            cause,
            detail,
        });
        refused.sort_unstable_by_key(|refusal| refusal.index);
        settled(refused)
    }
}

const NOT_UTF8: &str = "not_utf8";
const TOO_LARGE: &str = "too_large";
const REJECTED: &str = "rejected";

fn is_text(event: &[u8]) -> Result<(), String> {
    match std::str::from_utf8(event) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the event is not UTF-8: {error}")),
    }
}

/// The key of a single event. Not of its batch, which begins elsewhere once a part of it is settled.
fn key_of(event: &[u8]) -> String {
    let hash = digest(&SHA256, event);
    let half = hash.as_ref().first_chunk().copied().unwrap_or_default();
    format!("event-{:032x}", u128::from_be_bytes(half))
}

/// Compresses off the threads that wait for sockets.
async fn packed(body: Bytes) -> Result<Bytes, Fault> {
    let packed = tokio::task::spawn_blocking(move || gzip(&body)).await;
    match packed {
        Ok(Ok(packed)) => Ok(packed.into()),
        Ok(Err(error)) => Err(Fault::Transport(error.to_string())),
        Err(_) => Err(Fault::Transport("the program is ending".to_owned())),
    }
}

#[async_trait]
impl Destination for WebhookDestination {
    fn limits(&self) -> Limits {
        self.settings.limits
    }

    async fn deliver(&self, batch: &Batch, progress: &Progress) -> Report {
        match self.settings.form {
            Form::Single => {
                let in_flight = self.settings.in_flight;
                each::deliver(&batch.events, in_flight, progress, |event| {
                    self.attempt(event)
                })
                .await
            }
            Form::Ndjson | Form::JsonArray => self.deliver_together(batch).await,
        }
    }

    /// Posts a body like any other, with one object in it that says that it is a test.
    async fn test(&self, nonce: &str, now: DateTime<Utc>) -> Vec<Check> {
        let now = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let canary = json!({ "okta_collector_test": nonce, "sent_at": now }).to_string();
        let host = self.settings.to.host();
        let then = match self.post(&[canary.into()], nonce, Some(TEST)).await {
            Ok(answer) => match judge(host, &answer) {
                Judged::Delivered => Ok(format!(
                    "{}; what becomes of events behind that is not known",
                    answer.told()
                )),
                Judged::TooLarge(told) | Judged::Rejected(told) => Err(Then::Stop {
                    trouble: Trouble::DestinationRefuses,
                    detail: told,
                }),
                Judged::Later(then) | Judged::Stop(then) => Err(then),
            },
            Err(fault) => Err(unanswered(host, fault)),
        };
        let (verdict, detail) = match then {
            Ok(detail) => (Verdict::Passed, detail),
            Err(Then::Stop { detail, .. }) => (Verdict::Failed("refused"), detail),
            Err(Then::Retry { detail, .. }) => (Verdict::Failed("unavailable"), detail),
            Err(Then::Continue | Then::Split) => (Verdict::Skipped, "not tried".to_owned()),
        };
        vec![Check {
            name: "accepted",
            verdict,
            detail,
        }]
    }
}
