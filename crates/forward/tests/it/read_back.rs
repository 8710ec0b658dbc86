//! Tests of an InsightOps destination, against a receiver that has a query API.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use forward::{Check, Destination, Verdict};
use receiver::{Fault, ReadBack, Receiver, ReceiverConfig};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::insightops::{TOKEN, log_at};
use crate::server::{Reply, Server, status};
use crate::web::open;

const LOG: Uuid = Uuid::from_u128(0x0b5e_7d9c_54c8_4f20_9d6f_2d0c_9e5a_1d77);
const KEY: &str = "a-read-key";
const NONCE: &str = "5f0c2d1e-nonce";

/// The present moment, which the receiver's query API goes by.
#[expect(
    clippy::disallowed_methods,
    reason = "there is no database here to take it from"
)]
fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

async fn test(log: &Arc<dyn Destination>) -> Vec<Check> {
    log.test(NONCE, now()).await
}

async fn receiver(tokens: Vec<Uuid>) -> Receiver {
    let config = ReceiverConfig {
        tokens,
        read_back: Some(ReadBack::new(LOG, KEY)),
        ..ReceiverConfig::default()
    };
    Receiver::start(config).await.unwrap()
}

fn log(url: &str, changes: &[(&str, Value)]) -> Arc<dyn Destination> {
    let mut settings = log_at(url);
    settings["query_url"] = json!(url);
    settings["log_id"] = json!(LOG);
    settings["read_key"] = json!(KEY);
    for (name, value) in changes {
        settings[*name] = value.clone();
    }
    open("insightops", &settings)
}

fn verdicts(checks: &[Check]) -> Vec<(&str, Verdict)> {
    checks.iter().map(|it| (it.name, it.verdict)).collect()
}

#[tokio::test]
async fn an_entry_that_is_in_the_log_is_proof() {
    let receiver = receiver(vec![TOKEN.parse().unwrap()]).await;
    // Busy once, on the way.
    let busy = Fault::too_many_requests(0).once().on_queries();
    receiver.inbox().inject(busy.after_requests(1));

    let checks = test(&log(&receiver.url(), &[])).await;

    let passed = [
        ("accepted", Verdict::Passed),
        ("read_back", Verdict::Passed),
    ];
    assert_eq!(verdicts(&checks), passed, "{checks:?}");
    assert_eq!(receiver.inbox().counts().events, 1);
}

#[tokio::test]
async fn without_a_key_an_entry_is_accepted_and_nothing_proven() {
    // No such token here: answered the same way.
    let receiver = receiver(vec![Uuid::from_u128(1)]).await;

    let checks = test(&open("insightops", &log_at(&receiver.url()))).await;

    let skipped = [
        ("accepted", Verdict::Passed),
        ("read_back", Verdict::Skipped),
    ];
    assert_eq!(verdicts(&checks), skipped, "{checks:?}");
    let told = "it answered with status 204; a token that does not exist or is of another region is answered the same way";
    assert_eq!(checks[0].detail, told);
    assert!(
        checks[1]
            .detail
            .starts_with("accepted, not proven: give log_id and read_key")
    );
}

#[tokio::test]
async fn a_wrong_key_or_log_is_told_at_once() {
    let receiver = receiver(Vec::new()).await;
    for (name, value, word) in [
        ("read_key", json!("another-key"), "read_key_refused"),
        ("log_id", json!(Uuid::from_u128(9)), "log_not_found"),
    ] {
        let checks = test(&log(&receiver.url(), &[(name, value)])).await;
        assert_eq!(checks[1].verdict, Verdict::Failed(word), "{checks:?}");
    }
}

#[tokio::test]
async fn an_entry_that_is_not_accepted_is_not_looked_for() {
    let receiver = receiver(Vec::new()).await;
    for (fault, word) in [(403, "refused"), (413, "refused"), (503, "unavailable")] {
        receiver.inbox().inject(Fault::status(fault).once());
        let checks = test(&log(&receiver.url(), &[])).await;
        let failed = [
            ("accepted", Verdict::Failed(word)),
            ("read_back", Verdict::Skipped),
        ];
        assert_eq!(verdicts(&checks), failed, "{checks:?}");
    }
}

#[tokio::test]
async fn a_search_that_leads_elsewhere_is_not_followed() {
    let elsewhere = Server::replying(|_, _| status(200)).await;
    let href = format!("{}/query/1", elsewhere.url());
    let server = Server::replying(move |_, request| {
        if request.line.starts_with("POST") {
            return status(204);
        }
        assert_eq!(request.header("x-api-key"), KEY);
        let running = json!({"links": [{"rel": "Self", "href": href}], "progress": 0});
        Reply::Answer(202, String::new(), running.to_string())
    })
    .await;

    let checks = test(&log(&server.url(), &[])).await;

    assert_eq!(checks[1].verdict, Verdict::Failed("unexpected_answer"));
    assert!(elsewhere.requests().is_empty());
}
