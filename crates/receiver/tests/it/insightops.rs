//! The ingestion contract, on its limits and beyond them.

use receiver::{LONGEST_ENTRY, TOO_LARGE};
use uuid::Uuid;

use crate::support::{TOKEN, config, start};

#[tokio::test]
async fn an_entry_with_a_known_token_is_kept_as_it_came() {
    let ends = start(config()).await;
    let event = r#"{"uuid":"1","displayMessage":"Zoë 🦀"}"#;
    ends.take(event).await;
    ends.take(format!("{event}\n")).await;
    assert_eq!(ends.kept(), [event, event]);
    let counts = ends.counts();
    assert_eq!((counts.events, counts.distinct, counts.repeats), (2, 1, 1));
    assert_eq!(counts.bytes, 2 * event.len() as u64);
}

#[tokio::test]
async fn an_unknown_token_is_answered_204_and_its_events_are_gone() {
    let ends = start(config()).await;
    let unknown = Uuid::from_u128(7);
    assert_eq!(ends.entry(unknown, "{}").await.unwrap(), 204);
    assert_eq!((ends.counts().events, ends.kept().len()), (0, 0));
    assert_eq!(ends.counts().insightops.discarded, 1);
}

#[tokio::test]
async fn a_malformed_token_is_answered_404() {
    let ends = start(config()).await;
    assert_eq!(ends.entry("not-a-token", "{}").await.unwrap(), 404);
    assert_eq!(ends.entry(TOKEN.simple(), "{}").await.unwrap(), 404);
    assert_eq!(ends.counts().insightops.malformed_token, 2);
    assert_eq!(ends.counts().events, 0);
}

#[tokio::test]
async fn without_configured_tokens_every_uuid_is_one() {
    let ends = start(receiver::ReceiverConfig::default()).await;
    assert_eq!(ends.entry(Uuid::from_u128(7), "{}").await.unwrap(), 204);
    assert_eq!(ends.counts().events, 1);
}

#[tokio::test]
async fn only_the_first_line_is_kept_and_the_cut_is_counted() {
    let ends = start(config()).await;
    ends.take("one\ntwo\nthree\n").await;
    ends.take("\n").await;
    assert_eq!(ends.kept(), ["one"]);
    let counts = ends.counts().insightops;
    assert_eq!((counts.entries, counts.cut, counts.empty), (1, 1, 1));
}

#[tokio::test]
async fn what_is_too_long_is_split_behind_a_204_and_far_too_long_is_413() {
    let ends = start(config()).await;
    let whole = "x".repeat(LONGEST_ENTRY);
    ends.take(format!("{whole}\n")).await;
    assert_eq!(ends.kept(), [whole.as_str()]);
    assert_eq!(ends.counts().insightops.split, 0);

    ends.take(format!("{whole}y")).await;
    assert_eq!(ends.kept()[1..], [whole.as_str(), "y"]);
    ends.take(format!("{}é", "x".repeat(LONGEST_ENTRY - 1)))
        .await;
    assert_eq!(ends.kept()[4], "\u{fffd}");
    ends.take("x".repeat(TOO_LARGE - 1)).await;
    let counts = ends.counts().insightops;
    assert_eq!((counts.split, counts.entries), (3, 1 + 2 + 2 + 3));

    let too_large = "x".repeat(TOO_LARGE);
    assert_eq!(ends.entry(TOKEN, too_large).await.unwrap(), 413);
    assert_eq!(ends.counts().insightops.too_large, 1);
    assert_eq!(ends.counts().events, 8);
}

#[tokio::test]
async fn what_is_no_utf8_is_kept_lossily_and_counted() {
    let ends = start(config()).await;
    ends.take(&b"{\"a\":\"\xc3\x28\"}"[..]).await;
    assert_eq!(ends.kept(), ["{\"a\":\"\u{fffd}(\"}"]);
    assert_eq!(ends.counts().insightops.garbled, 1);
}

#[tokio::test]
async fn health_means_that_an_event_has_arrived_and_counts_are_json() {
    let ends = start(config()).await;
    let (status, counts) = ends.get("/healthz").await;
    assert_eq!((status, &counts["events"]), (503, &0.into()));
    assert_eq!(ends.entry(Uuid::from_u128(7), "{}").await.unwrap(), 204);
    assert_eq!(ends.get("/healthz").await.0, 503, "it was discarded");
    ends.take("{}").await;
    let (status, counts) = ends.get("/healthz").await;
    assert_eq!((status, &counts["events"]), (200, &1.into()));
    let (status, counts) = ends.get("/counts").await;
    assert_eq!(
        (status, &counts["insightops"]["discarded"]),
        (200, &1.into())
    );
}
