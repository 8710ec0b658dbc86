//! Rules for what a source may say about itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::duration::{DurationError, format_seconds, parse_duration};

/// How often a source is polled: 10 seconds to 30 days, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshFrequency(u32);

/// Why a refresh frequency is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// Not a duration at all.
    #[error(transparent)]
    Form(#[from] DurationError),
    /// Out of bounds; a token dies after 30 idle days, and Okta's smallest share is 10 requests a minute.
    #[error("a refresh frequency is between \"10s\" and \"30d\", not {0:?}")]
    Bounds(String),
}

impl RefreshFrequency {
    /// The shortest: ten seconds.
    pub const MIN: u32 = 10;
    /// The longest: thirty days.
    pub const MAX: u32 = 30 * 86_400;

    /// From stored seconds; `None` outside the bounds.
    pub fn from_seconds(seconds: u32) -> Option<Self> {
        (Self::MIN..=Self::MAX)
            .contains(&seconds)
            .then_some(Self(seconds))
    }

    /// The frequency nearest to so many seconds.
    pub fn clamped(seconds: i64) -> Self {
        Self(u32::try_from(seconds.clamp(Self::MIN.into(), Self::MAX.into())).unwrap_or(Self::MAX))
    }

    /// Whole seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl FromStr for RefreshFrequency {
    type Err = RefreshError;

    fn from_str(text: &str) -> Result<Self, RefreshError> {
        let bounds = || RefreshError::Bounds(text.to_owned());
        let duration = parse_duration(text)?;
        if duration.subsec_nanos() != 0 {
            return Err(bounds());
        }
        u32::try_from(duration.as_secs())
            .ok()
            .and_then(Self::from_seconds)
            .ok_or_else(bounds)
    }
}

impl fmt::Display for RefreshFrequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_seconds(self.0.into()))
    }
}

/// An IANA timezone name that exists, such as `Europe/Berlin`. For display only: all times are UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timezone(chrono_tz::Tz);

/// A timezone nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an IANA timezone; write a name such as \"UTC\", \"Europe/Berlin\" or \"America/New_York\""
)]
pub struct TimezoneError(pub String);

impl FromStr for Timezone {
    type Err = TimezoneError;

    fn from_str(text: &str) -> Result<Self, TimezoneError> {
        text.parse()
            .map(Self)
            .map_err(|_| TimezoneError(text.to_owned()))
    }
}

impl fmt::Display for Timezone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// Where a source begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The oldest event that Okta still has: 90 days back.
    Earliest,
    /// The moment of creation.
    Now,
    /// A time of the caller's choice.
    At(DateTime<Utc>),
}

/// A start that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a start; write \"earliest\", \"now\" or an RFC 3339 time such as \"2026-01-31T00:00:00Z\""
)]
pub struct StartError(pub String);

impl FromStr for Start {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, StartError> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "now" => Ok(Self::Now),
            time => DateTime::parse_from_rfc3339(time)
                .map(|time| Self::At(time.to_utc()))
                .map_err(|_| StartError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_frequencies_have_bounds() {
        for (text, seconds) in [
            ("10s", 10),
            ("1h", 3600),
            ("720h", 2_592_000),
            ("30d", 2_592_000),
        ] {
            assert_eq!(text.parse::<RefreshFrequency>().unwrap().seconds(), seconds);
        }
        for text in ["0s", "9s", "31d", "10s1ms"] {
            assert!(
                matches!(
                    text.parse::<RefreshFrequency>(),
                    Err(RefreshError::Bounds(_))
                ),
                "{text}"
            );
        }
        assert!(matches!(
            "often".parse::<RefreshFrequency>(),
            Err(RefreshError::Form(_))
        ));
    }

    #[test]
    fn timezones_must_exist() {
        assert_eq!(
            "Europe/Berlin".parse::<Timezone>().unwrap().to_string(),
            "Europe/Berlin"
        );
        assert!("Mars/Olympus".parse::<Timezone>().is_err());
    }

    #[test]
    fn a_start_is_a_word_or_a_time() {
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("now".parse(), Ok(Start::Now));
        assert!(
            matches!("2026-01-31T02:00:00+02:00".parse(), Ok(Start::At(t)) if t.to_rfc3339() == "2026-01-31T00:00:00+00:00")
        );
        assert!("yesterday".parse::<Start>().is_err());
    }
}
