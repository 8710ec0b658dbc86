//! What the ledger costs, in a process of its own.

#![expect(
    clippy::unwrap_used,
    reason = "what reads the process's memory fails like a test"
)]

use std::fmt::Write;

use receiver::{Receiver, ReceiverConfig};

const BATCH: usize = 50_000;

#[tokio::test]
async fn two_million_events_fit_in_a_hundred_megabytes() {
    let receiver = Receiver::start(ReceiverConfig::default()).await.unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let post = async |body: String| {
        let request = http.post(receiver.url()).body(body);
        let request = request.header("content-type", "application/x-ndjson");
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    post("{}\n".repeat(BATCH)).await;
    let before = resident_kb();
    for start in (0..2_000_000).step_by(BATCH) {
        let mut body = String::new();
        for n in start..start + BATCH {
            writeln!(body, "{{\"n\":{n}}}").unwrap();
        }
        post(body).await;
    }
    let counts = receiver.inbox().counts();
    assert_eq!(counts.distinct, 2_000_000 + 1);
    let grown = resident_kb().saturating_sub(before);
    assert!(grown < 100_000, "{grown} kB");
    println!("two million events took {grown} kB");
}

/// The process's resident memory, from Linux.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kb = line.unwrap().split_whitespace().nth(1).unwrap();
    kb.parse().unwrap()
}
