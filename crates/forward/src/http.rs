//! The HTTP client of all destinations: guarded, without redirects, with deadlines, and with an end to
//! how much of an answer is read. URLs may hold secrets, so no error here names one, and secrets that an
//! answer repeats are blotted out before anybody sees it.

mod endpoint;
mod hidden;

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use egress::{Blocked, Fault};
use model::net::AllowHosts;
use model::status::Trouble;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder};
use url::Url;

use crate::Then;
use crate::settings::Reader;
pub(crate) use endpoint::Endpoint;
pub(crate) use hidden::Hidden;

/// From the request to the end of its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read; a connection with more to come is not used again.
const MAX_ANSWER: usize = 64 << 10;
/// How much of an answer is told.
const TOLD: usize = 300;
const LONGEST_URL: usize = 2048;
/// The longest wait that a destination may ask for.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// Clones share their connections.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    allow: AllowHosts,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// What a destination answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long it asks to be left alone, at most an hour.
    pub(crate) retry_after: Option<Duration>,
    /// The body as far as it was read, without secrets.
    pub(crate) body: String,
}

impl Http {
    pub(crate) fn new(allow: AllowHosts) -> Result<Self, reqwest::Error> {
        let client = egress::builder(allow.clone())
            .user_agent(concat!("okta-collector/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client, allow })
    }

    /// The URL in a setting: https to a public host or what the operator allows, without a user and a
    /// fragment. What is wrong is noted; names are looked at when they are connected to.
    pub(crate) fn url(&self, reader: &mut Reader<'_>, name: &'static str) -> Option<Url> {
        let text = reader.text(name)?;
        let mut wrong = |code, what: &str| {
            reader.error(name, code, format!("{name} {what}"));
            None
        };
        let Ok(url) = Url::parse(text) else {
            return wrong("invalid_url", "must be a URL such as https://example.com/");
        };
        if text.len() > LONGEST_URL {
            return wrong("invalid_url", "must have at most 2048 characters");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("invalid_url", "must not hold a user or a password");
        }
        if url.fragment().is_some() {
            return wrong("invalid_url", "must not have a part behind #");
        }
        let Some(host) = url
            .host()
            .filter(|_| matches!(url.scheme(), "http" | "https"))
        else {
            return wrong("invalid_url", "must begin with https://");
        };
        if let Err(blocked) = egress::check(&self.allow, url.scheme() == "https", &host) {
            reader.error(name, "host_not_allowed", blocked.to_string());
            return None;
        }
        Some(url)
    }

    pub(crate) fn post(&self, to: &Endpoint) -> RequestBuilder {
        self.client.post(to.url().clone())
    }

    pub(crate) fn get(&self, from: &Endpoint) -> RequestBuilder {
        self.client.get(from.url().clone())
    }
}

/// Sends a request and reads its answer, in which the secrets are blotted out. The body is drained, so
/// that the connection can be used again.
///
/// # Errors
/// Why there is no answer. An answer whose body breaks off is one all the same: its status is known.
pub(crate) async fn send(request: RequestBuilder, hidden: &Hidden) -> Result<Answer, Fault> {
    let mut response = request.send().await.map_err(|error| Fault::of(&error))?;
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_ANSWER {
            break;
        }
    }
    Ok(Answer {
        status,
        retry_after,
        body: hidden.blot(&String::from_utf8_lossy(&body)),
    })
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same request may well succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
    }

    /// The status with the beginning of the body, for a person.
    pub(crate) fn told(&self) -> String {
        let text: String = self.body.trim().chars().take(TOLD).collect();
        if text.is_empty() {
            format!("it answered with status {}", self.status)
        } else {
            format!("it answered with status {}: {text}", self.status)
        }
    }

    /// Try again, when it says or by the backoff.
    pub(crate) fn later(&self) -> Then {
        Then::Retry {
            after: self.retry_after,
            trouble: Trouble::DestinationUnavailable,
            detail: self.told(),
        }
    }
}

/// What to do about a request that has no answer.
pub(crate) fn unanswered(host: &str, fault: Fault) -> Then {
    let blocked = || Blocked {
        host: host.to_owned(),
    };
    let detail = match fault {
        Fault::Blocked => {
            return Then::Stop {
                trouble: Trouble::DestinationRefuses,
                detail: blocked().to_string(),
            };
        }
        Fault::Dns => format!("the name {host} cannot be resolved, check its spelling"),
        Fault::Tls(reason) => format!("no trusted connection to {host}: {reason}"),
        Fault::ConnectTimeout => format!("{host} did not take the connection in time"),
        Fault::Timeout => format!("{host} did not answer in time"),
        Fault::Transport(reason) => format!("no answer from {host}: {reason}"),
    };
    Then::Retry {
        after: None,
        trouble: Trouble::DestinationUnavailable,
        detail,
    }
}

/// `Retry-After`, in seconds or as a date; a date counts from the answer's own, so no clock is asked.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(MAX_WAIT));
    }
    let date = |text| DateTime::<FixedOffset>::parse_from_rfc2822(text).ok();
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    let wait = (date(text)? - now).to_std().unwrap_or_default();
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        retry_after(&headers)
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_by_a_date() {
        let now = ("date", "Mon, 02 Mar 2026 10:00:00 GMT");
        let at = |date| waits(&[now, ("retry-after", date)]);
        assert_eq!(at("17"), Some(Duration::from_secs(17)));
        assert_eq!(
            at("Mon, 02 Mar 2026 10:01:30 GMT"),
            Some(Duration::from_secs(90))
        );
        assert_eq!(at("Mon, 02 Mar 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(at("Tue, 03 Mar 2026 10:00:00 GMT"), Some(MAX_WAIT));
        assert_eq!(at("soon"), None);
        assert_eq!(waits(&[("retry-after", "999999")]), Some(MAX_WAIT));
        assert_eq!(waits(&[now]), None);
    }

    #[test]
    fn what_is_told_has_an_end() {
        let answer = Answer {
            status: 503,
            retry_after: None,
            body: "x".repeat(5000),
        };
        assert!(answer.told().len() < 400);
        assert!(answer.is_passing() && !answer.is_success());
    }
}
