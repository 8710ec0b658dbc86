//! An event byte for byte, inside an object that says where it comes from:
//! `{"collector":{"source_id":..,"source":..,"org":..,"log_id":..,"batch":..,"collected_at":..,
//! "timezone":..,"published_local":..},"event":{..}}`.
//!
//! `published_local` is the event's `published` in the timezone of its source; null where the event has
//! none that can be read. Where an event has the field more than once, the last one counts.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Facts, Stamp};
use crate::Events;

/// The names of the two halves.
pub(crate) const ABOUT: &str = "collector";
const EVENT: &str = "event";

/// What stands behind the event.
pub(crate) const CLOSING: &str = "}";

/// What stands before the event.
pub(crate) fn opening(about: &str) -> String {
    format!(r#"{{"{ABOUT}":{about},"{EVENT}":"#)
}

/// The two halves of a rendered event, for those that must look inside; `None` if it is another format's.
pub(crate) fn halves(rendered: &str) -> Option<(&str, &str)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Halves<'a> {
        #[serde(borrow)]
        collector: &'a RawValue,
        #[serde(borrow)]
        event: &'a RawValue,
    }
    let halves: Halves<'_> = serde_json::from_str(rendered).ok()?;
    Some((halves.collector.get(), halves.event.get()))
}

#[derive(Serialize)]
struct About<'a> {
    #[serde(flatten)]
    facts: &'a Facts,
    log_id: uuid::Uuid,
    batch: i64,
    collected_at: String,
    published_local: Option<String>,
}

pub(super) fn render(
    facts: &Facts,
    events: &Events,
    stamps: impl Iterator<Item = Stamp>,
) -> Events {
    // What is not in the list of this version's zones was in that of the one which took it.
    let zone: Tz = facts.timezone.parse().unwrap_or(Tz::UTC);
    let mut buffer = Vec::with_capacity(events.total_bytes() + events.len() * 400);
    let ranges: Vec<_> = events
        .iter()
        .zip(stamps)
        .map(|(event, stamp)| {
            let start = buffer.len();
            let about = About {
                facts,
                log_id: stamp.log_id,
                batch: stamp.batch,
                collected_at: stamp
                    .collected_at
                    .to_rfc3339_opts(SecondsFormat::Millis, true),
                published_local: published(event).and_then(|text| local(&text, zone)),
            };
            // Strings and numbers: cannot fail.
            let about = serde_json::to_string(&about).unwrap_or_default();
            buffer.extend_from_slice(opening(&about).as_bytes());
            buffer.extend_from_slice(event);
            buffer.extend_from_slice(CLOSING.as_bytes());
            start..buffer.len()
        })
        .collect();
    Events::new(Bytes::from(buffer), ranges).unwrap_or_default()
}

fn local(published: &str, zone: Tz) -> Option<String> {
    let at = DateTime::parse_from_rfc3339(published).ok()?;
    let local = at.with_timezone(&zone);
    Some(local.to_rfc3339_opts(SecondsFormat::AutoSi, false))
}

/// The last top-level `published` of an event, if it is a text.
fn published(event: &[u8]) -> Option<String> {
    struct Last;
    impl<'de> Visitor<'de> for Last {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an event")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                if key == "published" {
                    found = match map.next_value()? {
                        Value::String(text) => Some(text),
                        _ => None,
                    };
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    let mut event = serde_json::Deserializer::from_slice(event);
    event.deserialize_map(Last).ok().flatten()
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn facts(timezone: &str) -> Facts {
        Facts {
            source_id: Uuid::from_u128(1),
            source: "Acme \"main\"".to_owned(),
            org: "acme.okta.com".to_owned(),
            timezone: timezone.to_owned(),
        }
    }

    fn rendered(timezone: &str, lines: &'static [u8]) -> Vec<Vec<u8>> {
        let stamp = Stamp {
            log_id: Uuid::from_u128(2),
            batch: 41,
            collected_at: Utc.timestamp_millis_opt(1_767_323_045_678).unwrap(),
        };
        let events = Events::from_lines(lines);
        let all = render(&facts(timezone), &events, std::iter::repeat(stamp));
        all.iter().map(<[u8]>::to_vec).collect()
    }

    fn published_local(timezone: &str, event: &'static [u8]) -> Value {
        let line = rendered(timezone, event).remove(0);
        let value: Value = serde_json::from_slice(&line).unwrap();
        value["collector"]["published_local"].clone()
    }

    #[test]
    fn an_event_is_inside_byte_for_byte() {
        let odd: &[u8] = b"{\"n\":1e400, \"a\":null ,\"a\":1,\"s\":\"\xff\\ud800\"}";
        let line = rendered("UTC", odd).remove(0);
        let event = line.windows(odd.len()).position(|part| part == odd);
        assert_eq!(event, Some(line.len() - odd.len() - 1));
        assert!(!line.contains(&b'\n'));
    }

    #[test]
    fn it_says_where_the_event_comes_from() {
        let event = b"{\"published\":\"2026-07-01T12:00:00.120Z\"}";
        let line = rendered("Europe/Berlin", event).remove(0);
        let value: Value = serde_json::from_slice(&line).unwrap();
        let expected = json!({
            "source_id": Uuid::from_u128(1), "source": "Acme \"main\"", "org": "acme.okta.com",
            "timezone": "Europe/Berlin", "log_id": Uuid::from_u128(2), "batch": 41,
            "collected_at": "2026-01-02T03:04:05.678Z",
            "published_local": "2026-07-01T14:00:00.120+02:00",
        });
        assert_eq!(value["collector"], expected);
    }

    #[test]
    fn published_in_local_time_is_null_where_it_cannot_be_read() {
        let winter = b"{\"published\":\"2026-01-01T00:30:00.5Z\"}";
        assert_eq!(
            published_local("America/New_York", winter),
            "2025-12-31T19:30:00.500-05:00"
        );
        for odd in [
            b"{}" as &[u8],
            b"{\"published\":7}",
            b"{\"published\":\"2026-13-45T00:00:00Z\"}",
            b"{\"published\":\"2026-01-01T00:00:00Z\",\"published\":null}",
            b"{\"x\":{\"published\":\"2026-01-01T00:00:00Z\"}}",
        ] {
            assert_eq!(published_local("UTC", odd), Value::Null);
        }
    }
}
