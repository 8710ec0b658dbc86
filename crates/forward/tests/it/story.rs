//! A log of hostile and ordinary events on its way to a receiver that is as strict as InsightOps, through
//! faults of the network and of the receiver.

use std::collections::{BTreeMap, BTreeSet};

use forward::{Events, Then};
use receiver::{Fault, Keep, Receiver, ReceiverConfig, When};
use serde_json::Value;

use crate::insightops::{TOKEN, log_at};
use crate::web::{deliver_events, open};

const EVENTS: usize = 2000;

/// An event of the kind that its number says.
fn event(number: usize) -> Vec<u8> {
    let padded = |size: usize, before: &str, after: &str| {
        let start = format!(r#"{{"uuid":"{number}",{before}"#);
        let filling = size - start.len() - after.len();
        [
            start.as_bytes(),
            "x".repeat(filling).as_bytes(),
            after.as_bytes(),
        ]
        .concat()
    };
    match number % 20 {
        0 => padded(32_767, r#""a":""#, r#""}"#),
        1 => padded(32_768, r#""debugContext":{"debugData":{"a":""#, r#""}}}"#),
        2 => padded(70_000, r#""displayMessage":""#, r#""}"#),
        3 => format!("{{\"uuid\":\"{number}\",\"a\":\"\r\u{2028}\\n\\ud800\",\"b\":1e400}}").into(),
        4 => [
            format!(r#"{{"uuid":"{number}","a":""#).as_bytes(),
            b"\xff\"}",
        ]
        .concat(),
        5 => format!(
            r#"{{"uuid":"{number}","a":{}{}}}"#,
            "[".repeat(900),
            "]".repeat(900)
        )
        .into(),
        6 => format!(r#"{{ "uuid" : "x", "uuid":"{number}" }}"#).into(),
        _ => padded(1800, r#""a":""#, r#""}"#),
    }
}

#[tokio::test]
async fn all_that_can_arrive_does_once_or_more_and_none_split() {
    let receiver = Receiver::start(ReceiverConfig {
        tokens: vec![TOKEN.parse().unwrap()],
        keep: Keep::Bytes,
        ..ReceiverConfig::default()
    })
    .await
    .unwrap();
    let inbox = receiver.inbox();
    inbox.inject(Fault::status(503).times(40).after_requests(700));
    for fault in [
        Fault::status(500),
        Fault::too_many_requests(1),
        Fault::Reset(When::BeforeRecording),
        Fault::Reset(When::AfterRecording),
    ] {
        inbox.inject(fault.until_cleared().share(0.01));
    }
    let log = open("insightops", &log_at(&receiver.url()));
    let events: Vec<Vec<u8>> = (0..EVENTS).map(event).collect();
    let all = Events::from_lines(events.join(&b'\n'));

    let (mut refused, mut shrunk) = (BTreeSet::new(), BTreeSet::new());
    let (mut position, mut attempts) = (0, 0);
    while position < EVENTS {
        let end = position + log.limits().max_events;
        let report = deliver_events(&log, all.slice(position..end)).await;
        refused.extend(report.refused.iter().map(|it| position + it.index));
        shrunk.extend(report.shrunk.iter().map(|it| position + it.index));
        position += report.settled;
        attempts += 1;
        let goes_on = matches!(report.then, Then::Continue | Then::Retry { .. });
        assert!(goes_on && attempts < 1000, "{report:?}");
    }

    let of_kind = |kinds: &[usize]| -> BTreeSet<usize> {
        (0..EVENTS)
            .filter(|it| kinds.contains(&(it % 20)))
            .collect()
    };
    assert_eq!(refused, of_kind(&[4]));
    assert_eq!(shrunk, of_kind(&[1, 2]));
    let counts = inbox.counts();
    let odd = &counts.insightops;
    assert_eq!((odd.cut, odd.split, odd.garbled, odd.empty), (0, 0, 0, 0));
    assert_eq!(
        (odd.too_large, odd.discarded, odd.malformed_token),
        (0, 0, 0)
    );
    assert!(counts.faults > 50, "{counts:?}");

    let mut arrived = BTreeMap::<Vec<u8>, usize>::new();
    for entry in inbox.events() {
        *arrived.entry(entry.to_vec()).or_default() += 1;
    }
    for (number, event) in events.iter().enumerate() {
        let whole = arrived.remove(event).unwrap_or(0);
        let is_whole = !refused.contains(&number) && !shrunk.contains(&number);
        assert_eq!(whole > 0, is_whole, "event {number}");
    }
    // What is left are the shrunk ones, marked, each the same whenever it came.
    let marked: BTreeSet<usize> = arrived
        .keys()
        .map(|entry| serde_json::from_slice::<Value>(entry).unwrap())
        .inspect(|entry| assert_eq!(entry["_truncated"], true))
        .map(|entry| entry["uuid"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!((arrived.len(), marked), (shrunk.len(), shrunk));
    // Each fault that ended an attempt repeats fewer than are in flight.
    assert!(counts.repeats < counts.faults * 8, "{counts:?}");
}
