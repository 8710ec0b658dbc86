//! The `published` time of an event, read leniently: a wrong one is no reason to refuse the event.

use std::ops::Range;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// Reads `2026-01-31T23:59:59.123Z` and the other forms of RFC 3339, to the microsecond.
///
/// The fraction may be missing or long, the offset may be written without its colon. An impossible
/// date, or a time without an offset, is none.
pub(super) fn parse_published(text: &[u8]) -> Option<DateTime<Utc>> {
    let (stamp, rest) = text.split_first_chunk::<19>()?;
    let [
        _,
        _,
        _,
        _,
        b'-',
        _,
        _,
        b'-',
        _,
        _,
        b'T' | b't' | b' ',
        _,
        _,
        b':',
        _,
        _,
        b':',
        _,
        _,
    ] = stamp
    else {
        return None;
    };
    let at = |range: Range<usize>| digits(stamp.get(range)?);
    let date = NaiveDate::from_ymd_opt(i32::try_from(at(0..4)?).ok()?, at(5..7)?, at(8..10)?)?;
    let (micros, rest) = fraction(rest)?;
    // 60 is a leap second: the one after 59.
    let (second, leap) = match at(17..19)? {
        60 => (59, 1),
        second => (second, 0),
    };
    let local = date.and_hms_micro_opt(at(11..13)?, at(14..16)?, second, micros)?;
    let shift = TimeDelta::seconds(leap - offset_seconds(rest)?);
    Some(local.checked_add_signed(shift)?.and_utc())
}

/// A fraction of a second in microseconds, if there is one, and what follows.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let [b'.' | b',', rest @ ..] = text else {
        return Some((0, text));
    };
    let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (fraction, rest) = rest.split_at(len);
    let micros = fraction.iter().chain(b"000000").take(6);
    let micros = micros.fold(0, |sum, b| sum * 10 + u32::from(b - b'0'));
    (len > 0).then_some((micros, rest))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        b"Z" | b"z" => return Some(0),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    let seconds = i64::from(hours * 3600 + minutes * 60);
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |sum, b| {
        b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_leniently() {
        let table = [
            ("2026-01-31T23:59:59.123Z", "2026-01-31T23:59:59.123Z"),
            ("2026-01-31T23:59:59Z", "2026-01-31T23:59:59Z"),
            (
                "2026-01-31t23:59:59.1234567890123z",
                "2026-01-31T23:59:59.123456Z",
            ),
            ("2026-01-31 23:59:59,5Z", "2026-01-31T23:59:59.500Z"),
            ("2026-01-31T23:59:59.123+02:00", "2026-01-31T21:59:59.123Z"),
            ("2026-01-31T23:59:59-0130", "2026-02-01T01:29:59Z"),
            ("2024-02-29T00:00:00.000Z", "2024-02-29T00:00:00Z"),
            ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500Z"),
            ("2099-01-01T00:00:00.000Z", "2099-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ];
        for (text, time) in table {
            let time: DateTime<Utc> = time.parse().unwrap();
            assert_eq!(parse_published(text.as_bytes()), Some(time), "{text}");
        }
    }

    #[test]
    fn impossible_times_are_none() {
        let table = [
            "",
            "yesterday",
            "2026-01-31",
            "2026-01-31T23:59:59",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T23:60:00Z",
            "2026-01-31T23:59:61Z",
            "2026-01-31T23:59:59.Z",
            "2026-01-31T23:59:59.123",
            "2026-01-31T23:59:59ZZ",
            "2026-01-31T23:59:59+24:00",
            "2026-01-31T23:59:59*01:00",
            "2026-01-31T23:59:59+1:00",
            "+026-01-31T23:59:59Z",
            "2026-01-3\u{661}T23:59:59Z",
            "1768000000000",
        ];
        for text in table {
            assert_eq!(parse_published(text.as_bytes()), None, "{text}");
        }
    }
}
