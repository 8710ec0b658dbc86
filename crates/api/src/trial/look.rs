//! A look at the newest events of a log.

use chrono::{DateTime, TimeDelta, Utc};
use okta::{Events, PageRequest};

use super::report::{Report, Step};

/// What is looked at first.
const DAY: TimeDelta = TimeDelta::days(1);
/// Okta keeps events for this long; a little less, so that its clock and ours may differ.
const EVER: TimeDelta = TimeDelta::hours(90 * 24 - 1);
/// Events of the first look: enough for an estimate, few enough to arrive soon.
const MOST: u32 = 100;
/// Events that are shown.
const SHOWN: usize = 2;

/// The newest events of the last day.
pub(super) fn recent(now: DateTime<Utc>) -> PageRequest {
    PageRequest::Latest {
        since: now - DAY,
        until: now,
        limit: MOST,
    }
}

/// The newest events of all.
pub(super) fn ever(now: DateTime<Utc>) -> PageRequest {
    PageRequest::Latest {
        since: now - EVER,
        until: now,
        limit: 2,
    }
}

/// Writes down what was seen.
pub(super) fn note(report: &mut Report, events: &Events, now: DateTime<Utc>) {
    let published: Vec<DateTime<Utc>> = events
        .iter()
        .filter_map(|event| event.published())
        .collect();
    let newest = published.iter().max().copied();
    report.newest_event_at = newest;
    let detail = match newest {
        Some(at) => format!("published {} before this test", ago(now - at)),
        None => "there is none in the last 90 days".to_owned(),
    };
    report.pass(Step::NewestEvent, detail);
    let rate = per_minute(&published, now);
    report.events_per_minute = Some(rate);
    let detail = format!("about {rate}, by the newest {}", published.len());
    report.pass(Step::EventsPerMinute, detail);
    let shown = events.iter().take(SHOWN);
    report.sample = shown
        .map(|event| String::from_utf8_lossy(event.raw()).into_owned())
        .collect();
    if !report.sample.is_empty() {
        let detail = format!("the newest {}", report.sample.len());
        report.pass(Step::Sample, detail);
    }
}

/// Events a minute: over the time that a full page covers, else over the day that was looked at.
fn per_minute(published: &[DateTime<Utc>], now: DateTime<Utc>) -> f64 {
    let oldest = published.iter().min().copied().unwrap_or(now);
    let count = f64::from(u32::try_from(published.len()).unwrap_or(u32::MAX));
    let full = u32::try_from(published.len()).unwrap_or(u32::MAX) >= MOST;
    let span = if full {
        now - oldest
    } else {
        DAY.max(now - oldest)
    };
    // Never shorter than a second: more than that many events at once is one burst, no rate.
    let minutes = span.max(TimeDelta::seconds(1)).as_seconds_f64() / 60.0;
    (count / minutes * 100.0).round() / 100.0
}

fn ago(span: TimeDelta) -> String {
    match span.num_seconds().max(0) {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_a_full_page_or_of_the_day() {
        let now: DateTime<Utc> = "2026-06-01T12:00:00Z".parse().unwrap();
        let every = |seconds: i64, count: i64| -> Vec<DateTime<Utc>> {
            (1..=count)
                .map(|n| now - TimeDelta::seconds(n * seconds))
                .collect()
        };
        let shown = |published: &[DateTime<Utc>]| per_minute(published, now).to_string();
        assert_eq!(shown(&every(1, 100)), "60");
        assert_eq!(shown(&every(0, 100)), "6000");
        assert_eq!(shown(&every(60, 72)), "0.05");
        assert_eq!(shown(&[]), "0");
        assert_eq!(shown(&every(5 * 86_400, 1)), "0");
    }
}
