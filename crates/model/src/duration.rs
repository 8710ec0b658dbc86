//! Durations as people write them: `"90s"`, `"15m"`, `"1h"`, `"30d"`, and sums such as `"1h30m"`.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Empty, without a unit, or with an unknown one.
    #[error(
        "{0:?} is not a duration; write a number and a unit, such as \"30s\", \"15m\", \"1h\" or \"7d\""
    )]
    Form(String),
    /// Does not fit.
    #[error("{0:?} is too long a duration")]
    TooLong(String),
}

/// Units with their seconds, longest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Reads a duration. `ms` is accepted for short technical settings.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let form = || DurationError::Form(text.to_owned());
    let long = || DurationError::TooLong(text.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(form());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(form());
        }
        let number: u64 = number.parse().map_err(|_| long())?;
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let part = if unit == "ms" {
            Duration::from_millis(number)
        } else {
            let (_, seconds) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(form)?;
            Duration::from_secs(number.checked_mul(*seconds).ok_or_else(long)?)
        };
        total = total.checked_add(part).ok_or_else(long)?;
        rest = tail;
    }
    Ok(total)
}

/// Writes whole seconds in the largest unit that divides them: `3600` is `"1h"`, `5400` is `"90m"`.
pub fn format_seconds(seconds: u64) -> String {
    let (name, size) = UNITS
        .into_iter()
        .find(|(_, size)| seconds != 0 && seconds.is_multiple_of(*size))
        .unwrap_or(("s", 1));
    format!("{}{name}", seconds / size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("10s", 10),
            ("15m", 900),
            ("1h", 3600),
            ("30d", 2_592_000),
            ("1h30m", 5400),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "1", "h", "1w", "-1h", "1.5h", "1 h"] {
            assert!(
                matches!(parse_duration(text), Err(DurationError::Form(_))),
                "{text}"
            );
        }
        assert!(matches!(
            parse_duration("99999999999999999999d"),
            Err(DurationError::TooLong(_))
        ));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0u64..100_000_000) {
            prop_assert_eq!(parse_duration(&format_seconds(seconds)), Ok(Duration::from_secs(seconds)));
        }
    }
}
