//! What the ledger says of many events, and what it costs.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use receiver::{Fault, Keep, ReceiverConfig, When};

use crate::support::{TOKEN, config, start};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn events(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("{{\"uuid\":\"{n}\"}}"))
        .collect()
}

#[tokio::test]
async fn a_comparison_finds_what_is_missing_altered_repeated_and_late() {
    let ends = start(ReceiverConfig {
        keep: Keep::Hashes,
        ..config()
    })
    .await;
    let expected = events(5);
    for arrived in [0, 2, 1, 2] {
        ends.take(expected[arrived].clone()).await;
    }
    ends.take(expected[3].to_uppercase()).await;
    let result = ends.inbox().compare(&expected);
    assert_eq!((result.expected, result.arrived), (5, 3));
    assert_eq!(result.missing, [3, 4]);
    assert_eq!(result.repeated, [(2, 1)]);
    assert_eq!(result.out_of_order, [1]);
    assert_eq!(result.unexpected, 1);
    assert!(ends.inbox().events().is_empty(), "only hashes are kept");
}

#[tokio::test]
async fn each_event_is_told_with_the_instant_of_its_arrival() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&told);
    let ends = start(ReceiverConfig {
        on_event: Some(Arc::new(move |event: &[u8], at: Instant| {
            hook.lock().unwrap().push((event.to_vec(), at));
        })),
        ..config()
    })
    .await;
    let before = Instant::now();
    ends.take("one").await;
    let headers = [NDJSON];
    ends.post("/events", &headers, "{}\n{\"a\":1}\n")
        .await
        .unwrap();
    let after = Instant::now();
    let told = told.lock().unwrap();
    let texts: Vec<_> = told.iter().map(|(event, _)| event.as_slice()).collect();
    assert_eq!(texts, [&b"one"[..], b"{}", b"{\"a\":1}"]);
    assert!(told.iter().all(|(_, at)| (before..after).contains(at)));
    assert!(told.is_sorted_by_key(|(_, at)| *at));
}

#[tokio::test]
async fn a_sender_that_retries_through_faults_gets_everything_across() {
    let ends = start(config()).await;
    let inbox = ends.inbox();
    inbox.inject(
        Fault::Reset(When::AfterRecording)
            .until_cleared()
            .share(0.1),
    );
    inbox.inject(
        Fault::Reset(When::BeforeRecording)
            .until_cleared()
            .share(0.1),
    );
    inbox.inject(Fault::status(503).until_cleared().share(0.2));
    let expected = events(300);
    for event in &expected {
        while ends.entry(TOKEN, event.clone()).await.ok() != Some(204) {}
    }
    let result = inbox.compare(&expected);
    assert!(result.is_complete() && result.out_of_order.is_empty());
    assert!(result.repeats() > 0, "some were kept without an answer");
    let counts = ends.counts();
    assert_eq!(counts.events, 300 + result.repeats());
    assert_eq!(counts.requests, 300 + counts.faults);
}
