//! Looks for an entry by the query API: the only way to know that a token and a region are right.
//!
//! An entry can be found about ten seconds after it was accepted, so the search is repeated until the
//! time is over. A search may take a while by itself; its answer then holds a link to ask again by.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout_at};

use super::settings::ReadBack;
use crate::http::{Answer, Endpoint, Hidden, Http, send, unanswered};
use crate::{Check, Then, Verdict};

/// How patient a search is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// When it gives up.
    pub(super) until: Instant,
    /// Between two searches.
    pub(super) searches: Duration,
    /// Between two questions for the result of one search.
    pub(super) questions: Duration,
}

impl Pace {
    pub(super) fn usual(until: Instant) -> Self {
        Self {
            until,
            searches: Duration::from_secs(2),
            questions: Duration::from_millis(500),
        }
    }
}

/// How far the clocks of two machines may be apart.
const SKEW: TimeDelta = TimeDelta::minutes(5);

const NAME: &str = "read_back";

/// Searches the log for `nonce` and says whether it is there.
pub(super) async fn find(
    http: &Http,
    log: &ReadBack,
    hidden: &Hidden,
    nonce: &str,
    now: DateTime<Utc>,
    pace: Pace,
) -> Check {
    let Ok(mut key) = HeaderValue::from_str(log.key.expose_secret()) else {
        return failed("read_key_refused", "the read key cannot be sent".to_owned());
    };
    key.set_sensitive(true);
    let millis = |time: DateTime<Utc>| time.timestamp_millis().to_string();
    let search = Search {
        http,
        hidden,
        key,
        nonce,
        pace,
        first: log.log.with_query(&[
            ("query", &format!("where(/{nonce}/)")),
            ("from", &millis(now - SKEW)),
            ("to", &millis(now + SKEW)),
        ]),
    };
    let mut last = Seen::Nothing;
    // Over: what was seen last tells why.
    let found = timeout_at(pace.until, search.run(&mut last)).await;
    found.unwrap_or_else(|_| match last {
        Seen::Nothing => failed("unavailable", "the query API did not answer".to_owned()),
        Seen::Trouble(detail) => failed("unavailable", detail),
        Seen::Without => failed(
            "not_found",
            "the entry was accepted and is not in the log: check that token, region and log_id are those of one log"
                .to_owned(),
        ),
    })
}

fn failed(word: &'static str, detail: String) -> Check {
    Check {
        name: NAME,
        verdict: Verdict::Failed(word),
        detail,
    }
}

/// What the last question brought.
enum Seen {
    Nothing,
    Trouble(String),
    /// A result without the entry.
    Without,
}

struct Search<'a> {
    http: &'a Http,
    hidden: &'a Hidden,
    key: HeaderValue,
    nonce: &'a str,
    pace: Pace,
    first: Endpoint,
}

/// The part of a result that is looked at.
#[derive(Deserialize)]
struct Found<'a> {
    #[serde(default, borrow)]
    events: Vec<&'a RawValue>,
    #[serde(default)]
    links: Vec<Link>,
    /// There until the search is done.
    progress: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

/// What to do after an answer.
enum Next {
    /// Ask there, after a pause.
    Ask(Endpoint),
    /// Search again, at the earliest after what the answer asks for.
    Again(Option<Duration>),
    End(Check),
}

impl Search<'_> {
    /// Searches until there is something to tell.
    async fn run(&self, last: &mut Seen) -> Check {
        let mut at = self.first.clone();
        loop {
            let request = self.http.get(&at).header("x-api-key", self.key.clone());
            let next = match send(request, self.hidden).await {
                Ok(answer) => self.judge(&at, &answer, last),
                Err(fault) => match unanswered(at.host(), fault) {
                    Then::Stop { detail, .. } => Next::End(failed("host_not_allowed", detail)),
                    Then::Retry { detail, .. } => {
                        *last = Seen::Trouble(detail);
                        Next::Again(None)
                    }
                    Then::Continue | Then::Split => Next::Again(None),
                },
            };
            match next {
                Next::End(check) => return check,
                Next::Ask(link) => {
                    at = link;
                    sleep(self.pace.questions).await;
                }
                Next::Again(wait) => {
                    at = self.first.clone();
                    sleep(wait.unwrap_or_default().max(self.pace.searches)).await;
                }
            }
        }
    }

    fn judge(&self, at: &Endpoint, answer: &Answer, last: &mut Seen) -> Next {
        if answer.is_passing() {
            *last = Seen::Trouble(answer.told());
            return Next::Again(answer.retry_after);
        }
        let end = |word, what: &str| {
            let detail = format!("{what}; the query API {}", answer.told());
            Next::End(failed(word, detail))
        };
        match answer.status {
            200..=299 => {}
            401 | 403 => return end("read_key_refused", "the read key may not read this log"),
            404 => return end("log_not_found", "there is no log with this log_id there"),
            _ => return end("unexpected_answer", "the log could not be searched"),
        }
        let Ok(found) = serde_json::from_str::<Found<'_>>(&answer.body) else {
            return end(
                "unexpected_answer",
                "the result of the search cannot be read",
            );
        };
        if found.events.iter().any(|it| it.get().contains(self.nonce)) {
            return Next::End(Check {
                name: NAME,
                verdict: Verdict::Passed,
                detail: "the entry was found in the log".to_owned(),
            });
        }
        if found.progress.is_none() {
            *last = Seen::Without;
            return Next::Again(None);
        }
        let link = found.links.iter().find(|it| it.rel == "Self");
        match link.map(|it| at.link(&it.href)) {
            Some(Some(link)) => Next::Ask(link),
            Some(None) => end("unexpected_answer", "the search leads to another host"),
            None => Next::Again(None),
        }
    }
}
