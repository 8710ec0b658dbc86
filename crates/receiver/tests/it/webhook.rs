//! Webhook bodies of every shape.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use receiver::ReceiverConfig;

use crate::support::{config, start};

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn events_are_found_in_lines_arrays_and_alone() {
    let ends = start(config()).await;
    let first = r#"{"uuid":"1","m":"],{\"}"}"#;
    let second = r#"{"uuid":"2"}"#;
    let both = [first, second];
    for (header, body) in [
        (NDJSON, format!("{first}\n{second}\n")),
        (JSON, format!("[{first}, {second}]")),
    ] {
        let answer = ends.post("/events", &[header], body).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let answer = ends.post("/events", &[JSON], second).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(ends.kept(), [&both[..], &both, &[second]].concat());
    let counts = ends.counts();
    assert_eq!((counts.events, counts.distinct), (5, 2));
    assert_eq!(counts.webhook.batches, 3);
}

#[tokio::test]
async fn a_packed_body_is_unpacked() {
    let ends = start(config()).await;
    let packed = gzip("{\"a\":1}\n{\"a\":2}\n");
    let answer = ends.post("/events", &[NDJSON, GZIP], packed).await;
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!(ends.kept(), ["{\"a\":1}", "{\"a\":2}"]);
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_refused_whole() {
    let ends = start(config()).await;
    let text = ("content-type", "text/plain");
    let br = ("content-encoding", "br");
    for (headers, body, status) in [
        (&[NDJSON][..], &b"{}\n[1]\n"[..], 400),
        (&[JSON], b"[{},", 400),
        (&[JSON], b"[{\"a\":\"\xff\"}]", 400),
        (&[NDJSON, GZIP], b"{}\n", 400),
        (&[NDJSON, br], b"{}\n", 415),
        (&[text], b"{}\n", 415),
        (&[], b"{}\n", 415),
    ] {
        let answer = ends.post("/events", headers, body).await.unwrap();
        assert_eq!(answer.status(), status, "{body:?}");
    }
    assert_eq!(
        (ends.counts().events, ends.counts().webhook.refused),
        (0, 7)
    );
}

#[tokio::test]
async fn only_configured_paths_take_events() {
    let ends = start(config()).await;
    let answer = ends.post("/", &[NDJSON], "{}\n").await.unwrap();
    assert_eq!(answer.status(), 404);
    let ends = start(ReceiverConfig::default()).await;
    let answer = ends.post("/", &[NDJSON], "{}\n").await.unwrap();
    assert_eq!((answer.status().as_u16(), ends.counts().events), (200, 1));
}

#[tokio::test]
async fn a_repeated_batch_is_told_by_its_key_and_deduped_where_asked() {
    for (dedupe_batches, events) in [(false, 4), (true, 3)] {
        let ends = start(ReceiverConfig {
            dedupe_batches,
            ..config()
        })
        .await;
        for (key, body) in [("a", "{}\n"), ("b", "{}\n"), ("a", "{}\n")] {
            let headers = [NDJSON, ("idempotency-key", key)];
            let answer = ends.post("/events", &headers, body).await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        let answer = ends.post("/events", &[NDJSON], "{}\n").await.unwrap();
        assert_eq!(answer.status(), 200);
        let counts = ends.counts();
        assert_eq!((counts.events, counts.distinct), (events, 1));
        assert_eq!(counts.webhook.repeated_batches, 1);
        assert_eq!(counts.webhook.changed_batches, 0);

        let headers = [NDJSON, ("idempotency-key", "a")];
        ends.post("/events", &headers, "{\"b\":2}\n").await.unwrap();
        assert_eq!(ends.counts().webhook.changed_batches, 1);
    }
}
