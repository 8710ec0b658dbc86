//! The rate headers of an answer, read leniently.

use std::time::Duration;

use chrono::{DateTime, Utc};
use model::budget::Heard;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Okta's windows last a minute. A reset further away than this is not believed: a wrong clock or
/// header must not silence a source.
pub const LONGEST_WINDOW: Duration = Duration::from_mins(10);

/// What an answer said about the budget of its token, and its own time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateHeaders {
    /// Requests per window granted to the token; 0 means that a concurrency limit answered.
    pub limit: Option<u32>,
    /// Requests left in the window.
    pub remaining: Option<u32>,
    /// When the window resets, in seconds since 1970 by Okta's clock.
    pub reset_epoch: Option<i64>,
    /// Okta's clock at the answer.
    pub date: Option<DateTime<Utc>>,
    /// The wait that a `Retry-After` asked for; Okta sends none, what stands before it may.
    pub retry_after: Option<Duration>,
}

impl RateHeaders {
    /// Reads the headers; of several values the smallest counts, what is no number is left out.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let count = |name| smallest(headers, &HeaderName::from_static(name));
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        Self {
            limit: count("x-rate-limit-limit").map(saturate),
            remaining: count("x-rate-limit-remaining").map(saturate),
            reset_epoch: count("x-rate-limit-reset").and_then(|epoch| i64::try_from(epoch).ok()),
            date: date
                .and_then(|text| DateTime::parse_from_rfc2822(text).ok())
                .map(|date| date.to_utc()),
            retry_after: smallest(headers, &RETRY_AFTER).map(Duration::from_secs),
        }
    }

    /// The window that the headers describe, if they do and can be believed. A limit of 0 is no window:
    /// that is how Okta marks its concurrency limit.
    pub fn heard(&self) -> Option<Heard> {
        Some(Heard {
            limit: self.limit.filter(|limit| *limit > 0)?,
            remaining: self.remaining?,
            reset: self.reset_epoch?,
            resets_in: self.resets_in().filter(|wait| *wait <= LONGEST_WINDOW)?,
            ago: Duration::ZERO,
        })
    }

    /// How long after the answer the window resets: both times are Okta's, so clock skew does no harm.
    pub fn resets_in(&self) -> Option<Duration> {
        let seconds = self.reset_epoch?.saturating_sub(self.date?.timestamp());
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}

fn smallest(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|number| number.trim().parse().ok())
        .min()
}

fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> RateHeaders {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        RateHeaders::read(&headers)
    }

    #[test]
    fn the_reset_is_told_by_oktas_own_clock() {
        let rate = read(&[
            ("x-rate-limit-limit", "10"),
            ("x-rate-limit-remaining", "0"),
            ("x-rate-limit-reset", "1757607758"),
            ("date", "Thu, 11 Sep 2025 16:21:50 GMT"),
        ]);

        assert_eq!((rate.limit, rate.remaining), (Some(10), Some(0)));
        assert_eq!(rate.resets_in(), Some(Duration::from_secs(48)));
    }

    #[test]
    fn a_reset_that_has_passed_is_now() {
        let rate = read(&[
            ("x-rate-limit-reset", "1"),
            ("date", "Thu, 11 Sep 2025 16:21:50 GMT"),
        ]);
        assert_eq!(rate.resets_in(), Some(Duration::ZERO));
    }

    #[test]
    fn a_reset_in_the_far_future_is_not_believed_and_a_limit_of_zero_is_no_window() {
        let mut rate = RateHeaders {
            limit: Some(10),
            remaining: Some(0),
            reset_epoch: Some(i64::MAX),
            date: DateTime::from_timestamp(1, 0),
            retry_after: None,
        };
        assert_eq!(rate.heard(), None);
        rate.reset_epoch = Some(60);
        assert_eq!(rate.heard().unwrap().resets_in, Duration::from_secs(59));
        rate.limit = Some(0);
        assert_eq!(rate.heard(), None);
    }

    #[test]
    fn of_several_values_the_smallest_counts() {
        let rate = read(&[
            ("x-rate-limit-remaining", "60, 12"),
            ("x-rate-limit-remaining", "40"),
            ("x-rate-limit-limit", "120,  x"),
            ("retry-after", "7"),
        ]);
        assert_eq!((rate.limit, rate.remaining), (Some(120), Some(12)));
        assert_eq!(rate.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn what_is_missing_or_nonsense_is_none() {
        let nonsense = [
            ("x-rate-limit-limit", "many"),
            ("x-rate-limit-remaining", "-1"),
            ("x-rate-limit-reset", "99999999999999999999"),
            ("date", "yesterday"),
            ("retry-after", "Thu, 11 Sep 2025 16:21:50 GMT"),
        ];
        assert_eq!(read(&nonsense), RateHeaders::default());
        assert_eq!(
            read(&[("x-rate-limit-reset", "1757607758")]).resets_in(),
            None
        );
        assert_eq!(
            read(&[("x-rate-limit-limit", "4294967296")]).limit,
            Some(u32::MAX)
        );
    }
}
