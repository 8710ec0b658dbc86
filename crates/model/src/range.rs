//! Past ranges that can be read from Okta again, and their verification.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

/// Okta keeps events for this long; an older `since` may be refused.
pub const KEPT: TimeDelta = TimeDelta::days(90);

/// What is newer than this may still be settling in Okta's bounded queries.
pub const SETTLING: TimeDelta = TimeDelta::seconds(20);

/// A range in which there is nothing to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It ends before it begins.
    #[error("since must be earlier than until")]
    Backwards,
    /// It ends before the oldest event that Okta has.
    #[error("okta keeps events for 90 days: a range that ends before {} is gone", shown(.0))]
    TooOld(DateTime<Utc>),
    /// It begins after the newest event that a bounded query shows.
    #[error("the range begins after {}; live polling reads what is newer", shown(.0))]
    TooNew(DateTime<Utc>),
}

fn shown(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The part of a range that Okta can show now: nothing older than it keeps, nothing that is settling.
///
/// # Errors
/// There is no such part.
pub fn clip(
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), RangeError> {
    let (oldest, newest) = (now - KEPT, now - SETTLING);
    if since >= until {
        Err(RangeError::Backwards)
    } else if until <= oldest {
        Err(RangeError::TooOld(oldest))
    } else if since >= newest {
        Err(RangeError::TooNew(newest))
    } else {
        Ok((since.max(oldest), until.min(newest)))
    }
}

/// How often a source is compared with Okta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Verify {
    /// Never.
    Off,
    /// Every hour.
    Hourly,
    /// Once a day.
    #[default]
    Daily,
}

/// A word that is none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not known; verify is \"off\", \"hourly\" or \"daily\"")]
pub struct VerifyError(pub String);

impl Verify {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Hourly, Self::Daily];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
        }
    }

    /// How often; `None` if never.
    pub fn period(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::Hourly => Some(Duration::from_hours(1)),
            Self::Daily => Some(Duration::from_hours(24)),
        }
    }
}

impl FromStr for Verify {
    type Err = VerifyError;

    fn from_str(text: &str) -> Result<Self, VerifyError> {
        let found = Self::ALL.into_iter().find(|word| word.as_str() == text);
        found.ok_or_else(|| VerifyError(text.to_owned()))
    }
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_clipped_to_what_okta_can_show() {
        let now = at("2026-06-01T12:00:00Z");
        let (oldest, newest) = (at("2026-03-03T12:00:00Z"), at("2026-06-01T11:59:40Z"));
        let (may, noon) = (at("2026-05-01T00:00:00Z"), at("2026-05-02T12:00:00Z"));
        assert_eq!(clip(may, noon, now), Ok((may, noon)));
        assert_eq!(
            clip(at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z"), now),
            Ok((oldest, newest))
        );
        assert_eq!(clip(noon, noon, now), Err(RangeError::Backwards));
        assert_eq!(
            clip(at("2020-01-01T00:00:00Z"), oldest, now),
            Err(RangeError::TooOld(oldest))
        );
        assert_eq!(
            clip(newest, now, now),
            Err(RangeError::TooNew(newest)),
            "what is settling is left to live polling"
        );
    }

    #[test]
    fn verify_is_one_of_three_words() {
        for word in Verify::ALL {
            assert_eq!(word.as_str().parse(), Ok(word));
        }
        assert!("weekly".parse::<Verify>().is_err());
    }
}
