//! Generated events: the same for the same seed, and like real ones.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::DateTime;
use okta_sim::{Events, Generator, OrgConfig, Rate, base_time, generate};
use serde_json::Value;

use crate::support::{Fixture, data, quiet};

fn parsed(count: usize) -> Vec<Value> {
    generate(count, 7)
        .map(|line| serde_json::from_slice(&line).unwrap())
        .collect()
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_seed_others() {
    let first: Vec<_> = generate(500, 7).collect();

    assert_eq!(first, generate(500, 7).collect::<Vec<_>>());
    assert_ne!(first, generate(500, 8).collect::<Vec<_>>());
    let distinct: HashSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), 500);
    assert!(Events::from_lines(&first).is_ok());
    // A change here changes files that others made with a seed: say so in the changelog.
    let fingerprint = first.iter().flatten().fold(0u64, |sum, byte| {
        sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte)
    });
    assert_eq!(
        fingerprint,
        17_205_469_473_072_856_792,
        "{}",
        String::from_utf8_lossy(&first[0])
    );
}

#[test]
fn the_mean_size_is_about_1800_bytes() {
    let sizes: Vec<_> = generate(5000, 1).map(|line| line.len()).collect();
    let mean = sizes.iter().sum::<usize>() / sizes.len();

    assert!((1700..1900).contains(&mean), "{mean}");
    assert!(sizes.iter().all(|size| (900..4200).contains(size)));
}

#[test]
fn uuids_are_unique_and_of_version_1_with_the_time_of_published() {
    let events = parsed(10_500);
    let mut seen = HashSet::new();
    for event in &events {
        let uuid = event["uuid"].as_str().unwrap();
        let parts: Vec<_> = uuid.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            parts[2].starts_with('1') && "89ab".contains(parts[3].get(..1).unwrap()),
            "{uuid}"
        );
        let ticks = format!(
            "{}{}{}",
            parts[2].strip_prefix('1').unwrap(),
            parts[1],
            parts[0]
        );
        let ms = i64::from_str_radix(&ticks, 16).unwrap() / 10_000 - 12_219_292_800_000;
        let published = event["published"].as_str().unwrap();
        assert_eq!(
            DateTime::parse_from_rfc3339(published)
                .unwrap()
                .timestamp_millis(),
            ms
        );
        assert_eq!(published.len(), "2026-01-01T00:00:00.000Z".len());
        assert!(seen.insert(uuid), "{uuid} twice");
    }
}

#[test]
fn the_mix_holds_what_real_logs_hold() {
    let events = parsed(3000);
    let any = |test: fn(&Value) -> bool| events.iter().any(test);
    let types: HashSet<_> = events
        .iter()
        .map(|event| event["eventType"].as_str().unwrap())
        .collect();

    assert!(types.len() >= 10, "{types:?}");
    assert!(any(|event| event["outcome"].is_null()));
    assert!(any(|event| event["target"].is_null()));
    assert!(any(|event| event["device"].is_object()));
    assert!(any(|event| event["client"]["zone"] == "null"));
    assert!(any(
        |event| event["client"]["userAgent"].is_null() && event["transaction"]["type"] == "JOB"
    ));
    assert!(any(
        |event| event["outcome"]["result"] == "FAILURE" && event["outcome"]["reason"].is_string()
    ));
    assert!(any(|event| event.get("signalContext").is_some()));
    assert!(any(|event| !event["actor"]["displayName"]
        .as_str()
        .unwrap()
        .is_ascii()));
    let unordered = events
        .windows(2)
        .any(|pair| pair[0]["published"].as_str() > pair[1]["published"].as_str());
    assert!(unordered);
    for event in &events {
        let id = event["actor"]["id"].as_str().unwrap();
        assert_eq!(id.len(), 20, "{id}");
        assert!(event["actor"]["type"] != "User" || id.starts_with("00u"));
    }
}

#[test]
fn every_field_has_the_place_and_type_it_has_in_real_events() {
    let Some(folder) = data() else { return };
    let file = folder.join("okta/events/airbyte-source-okta-live-org.ndjson");
    let real: Vec<Value> = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let keys = |event: &Value| {
        event
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<HashSet<_>>()
    };
    let known = keys(&real[0]);
    let mut types: HashMap<String, &str> = HashMap::new();
    for event in &real {
        walk(event, String::new(), &mut |path, kind| {
            if kind != "null" {
                types.insert(path, kind);
            }
        });
    }

    for event in parsed(2000) {
        let mut own = keys(&event);
        own.remove("signalContext");
        assert_eq!(own, known);
        walk(&event, String::new(), &mut |path, kind| {
            if let Some(real) = types.get(&path).filter(|_| kind != "null") {
                assert_eq!(kind, *real, "{path}");
            }
        });
    }
}

fn walk(value: &Value, path: String, visit: &mut impl FnMut(String, &'static str)) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            for item in items {
                walk(item, format!("{path}[]"), visit);
            }
            "array"
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                walk(item, format!("{path}.{key}"), visit);
            }
            "object"
        }
    };
    visit(path, kind);
}

#[tokio::test]
async fn an_org_with_a_rate_makes_events_as_its_clock_goes_on() {
    let rate = Some(Rate {
        per_second: 20,
        seed: 3,
    });
    let sim = Fixture::with(OrgConfig { rate, ..quiet() }).await;
    let start = sim.org().clock().now();
    let before = sim.org().published_count();

    sim.org().clock().advance(Duration::from_mins(1));
    let made = sim.org().published_count() - before;

    // Real time passes too, though not much.
    assert!((1200..1400).contains(&made), "{made}");
    let mut next = "/api/v1/logs?limit=1000".to_owned();
    let mut read = 0;
    while read < 1200 {
        let page = sim.get(&next).await;
        let events = page.json().as_array().unwrap().len();
        assert!(events > 0);
        read += events;
        next = page.link("next").unwrap();
    }
    let since = (start + Duration::from_secs(30)).format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let half = sim
        .get(&format!("/api/v1/logs?limit=1000&since={since}"))
        .await
        .json()
        .as_array()
        .unwrap()
        .len();
    assert!((580..800).contains(&half), "{half}");
}

#[test]
fn the_first_event_follows_the_base_time() {
    assert_eq!(base_time().to_rfc3339(), "2026-01-01T00:00:00+00:00");
    let first = parsed(1)[0]["published"]
        .as_str()
        .unwrap()
        .parse::<DateTime<chrono::Utc>>()
        .unwrap();
    assert!((first - base_time()).num_milliseconds().abs() < 1000);
}

#[test]
fn an_odd_event_has_a_number_for_a_postal_code() {
    let mut generator = Generator::new(3);
    for _ in 0..20 {
        let event: Value = serde_json::from_slice(&generator.odd_event(base_time())).unwrap();
        assert_eq!(event["client"]["geographicalContext"]["postalCode"], 94105);
    }
}
