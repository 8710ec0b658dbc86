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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use url::Url;

    use super::*;

    /// Looks for a nonce where the n-th question gets the n-th answer, the last of them for ever; says
    /// how many there were.
    async fn found(answers: &'static [&'static str], within: Duration) -> (Check, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                // A request without a body comes in one piece.
                assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                let answer = answers[number.min(answers.len() - 1)];
                let (status, body) = answer.split_once(' ').unwrap();
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let http = Http::new("127.0.0.1".parse().unwrap()).unwrap();
        let log = ReadBack {
            log: Endpoint::new(Url::parse(&origin).unwrap()),
            key: "key".into(),
        };
        let pace = Pace {
            until: Instant::now() + within,
            searches: Duration::from_millis(1),
            questions: Duration::from_millis(1),
        };
        let hidden = Hidden::default();
        let now = DateTime::UNIX_EPOCH;
        let check = find(&http, &log, &hidden, "nonce", now, pace).await;
        serving.abort();
        (check, asked.load(Ordering::SeqCst))
    }
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn searches_go_on_until_the_entry_is_there() {
        let answers: &[_] = &[
            r#"200 {"events":[]}"#,
            "503 ",
            r#"202 {"links":[{"rel":"Self","href":"/2"}],"progress":0}"#,
            r#"200 {"events":[{"message":"other"}],"links":[{"rel":"Next","href":"/3"}]}"#,
            r#"200 {"events":[{"message":"it is nonce"}]}"#,
        ];
        let (check, asked) = found(answers, LONG).await;
        assert_eq!((check.verdict, asked), (Verdict::Passed, 5), "{check:?}");
    }

    #[tokio::test]
    async fn what_was_seen_last_tells_why_it_was_not_found() {
        let within = Duration::from_secs(2);
        for (answers, word, detail) in [
            (
                &["200 {}"] as &'static [_],
                "not_found",
                "the entry was accepted and is not in the log",
            ),
            (
                &["503 busy"],
                "unavailable",
                "it answered with status 503: busy",
            ),
        ] {
            let (check, asked) = found(answers, within).await;
            assert_eq!(check.verdict, Verdict::Failed(word));
            assert!(check.detail.starts_with(detail), "{check:?}");
            assert!(asked > 1, "{asked}");
        }
    }

    #[tokio::test]
    async fn answers_that_time_does_not_change_end_the_search() {
        for (answer, word) in [
            (&["403 no"] as &'static [_], "read_key_refused"),
            (&["404 no"], "log_not_found"),
            (&["301 no"], "unexpected_answer"),
            (&["200 no json"], "unexpected_answer"),
        ] {
            let (check, asked) = found(answer, LONG).await;
            assert_eq!((check.verdict, asked), (Verdict::Failed(word), 1));
        }
    }
}
