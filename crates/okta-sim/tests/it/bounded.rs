//! Bounded queries: order by `published`, an end, no disorder by late events.

use std::time::Duration;

use okta_sim::Events;

use crate::support::Fixture;

const WINDOW: &str = "/api/v1/logs?since=2026-03-01T00:00:00Z&until=2026-03-01T01:00:00.000Z";

/// Persists an event of each given minute of the window; its number is the minute.
fn persist_minutes(sim: &Fixture, minutes: &[u32]) {
    let lines = minutes.iter().map(|minute| {
        format!(
            r#"{{"n":{minute},"published":"2026-03-01T{:02}:{:02}:00.000Z"}}"#,
            minute / 60,
            minute % 60
        )
    });
    sim.org().persist(Events::from_lines(lines).unwrap());
}

#[tokio::test]
async fn a_window_is_ordered_by_published_and_its_last_page_has_no_next() {
    let sim = Fixture::start().await;
    persist_minutes(&sim, &[40, 10, 60, 30, 0, 20, 59]);

    let pages = sim.walk(&format!("{WINDOW}&limit=2")).await;

    assert_eq!(pages, [vec![0, 10], vec![20, 30], vec![40, 59]]);
    let last = sim.get(&format!("{WINDOW}&limit=6")).await;
    assert_eq!(last.numbers().len(), 6);
    assert_eq!(last.link("next"), None);
    assert!(last.link("self").is_some());
}

#[tokio::test]
async fn late_events_neither_reorder_a_window_nor_reopen_it() {
    let sim = Fixture::start().await;
    persist_minutes(&sim, &[10, 20, 30, 40]);
    let first = sim.get(&format!("{WINDOW}&limit=2")).await;
    persist_minutes(&sim, &[5, 25]);

    let second = sim.get(&first.link("next").unwrap()).await;

    assert_eq!(first.numbers(), [10, 20]);
    assert_eq!(second.numbers(), [25, 30]);
    assert_eq!(sim.get(&second.link("next").unwrap()).await.numbers(), [40]);
    assert_eq!(sim.get(WINDOW).await.numbers(), [5, 10, 20, 25, 30, 40]);
}

#[tokio::test]
async fn events_of_one_instant_are_paged_without_loss_or_repeat() {
    let sim = Fixture::start().await;
    let event = |n| format!(r#"{{"n":{n},"published":"2026-03-01T00:30:00.123Z"}}"#);
    sim.org()
        .persist(Events::from_lines((0..5).map(event)).unwrap());

    for order in ["ASCENDING", "DESCENDING"] {
        let mut numbers = sim
            .walk(&format!("{WINDOW}&limit=2&sortOrder={order}"))
            .await
            .concat();
        if order == "DESCENDING" {
            numbers.reverse();
        }
        assert_eq!(numbers, [0, 1, 2, 3, 4], "{order}");
    }
}

#[tokio::test]
async fn descending_pages_go_back_in_time() {
    let sim = Fixture::start().await;
    persist_minutes(&sim, &[10, 40, 20, 30, 0]);

    let pages = sim
        .walk(&format!("{WINDOW}&limit=2&sortOrder=DESCENDING"))
        .await;

    assert_eq!(pages, [vec![40, 30], vec![20, 10], vec![0]]);
}

#[tokio::test]
async fn events_without_a_published_are_in_no_window() {
    let sim = Fixture::start().await;
    sim.persist(0, 1);
    let dates = [r#""yesterday""#, "7", "null"];
    let lines = dates
        .iter()
        .map(|date| format!(r#"{{"n":1,"published":{date}}}"#));
    sim.org().persist(Events::from_lines(lines).unwrap());

    let all = "/api/v1/logs?since=1970-01-01T00:00:00Z&until=2999-01-01T00:00:00Z";
    assert_eq!(sim.get(all).await.text(), "[]");
    assert_eq!(sim.get("/api/v1/logs").await.numbers().len(), 4);
}

#[tokio::test]
async fn an_empty_until_means_polling_and_a_missing_since_means_seven_days() {
    let sim = Fixture::start().await;
    persist_minutes(&sim, &[0]);

    assert!(sim.get("/api/v1/logs?until=").await.link("next").is_some());
    assert_eq!(
        sim.get("/api/v1/logs?until=2026-03-07T23:59:00Z")
            .await
            .numbers(),
        [0]
    );
    assert_eq!(
        sim.get("/api/v1/logs?until=2026-03-08T00:00:01Z")
            .await
            .text(),
        "[]"
    );
}

#[tokio::test]
async fn windows_forget_what_was_persisted_90_days_ago() {
    let sim = Fixture::start().await;
    persist_minutes(&sim, &[0]);
    sim.org().clock().advance(Duration::from_hours(24 * 91));
    sim.renew_token();
    persist_minutes(&sim, &[1]);

    assert_eq!(sim.get(WINDOW).await.numbers(), [1]);
}

#[tokio::test]
async fn going_down_the_cursor_is_the_last_uuid_and_until_moves_to_its_edge() {
    let sim = Fixture::start().await;
    let uuid = |n: usize| format!("349996bd-5091-45dc-a39f-{n:012}");
    // Three of one millisecond, split by pages.
    let lines = (0..5).map(|n| {
        let second = if n < 3 { 1 } else { n };
        format!(
            r#"{{"n":{n},"uuid":"{}","published":"2026-03-01T00:00:0{second}.007Z"}}"#,
            uuid(n)
        )
    });
    sim.org().persist(Events::from_lines(lines).unwrap());

    let first = sim
        .get(&format!("{WINDOW}&limit=3&sortOrder=DESCENDING"))
        .await;

    assert_eq!(first.numbers(), [4, 3, 2]);
    let next = first.link("next").unwrap();
    assert!(
        next.ends_with(&format!(
            "&until=2026-03-01T00%3A00%3A01.007Z&after={}",
            uuid(2)
        )),
        "{next}"
    );
    let second = sim.get(&next).await;
    assert_eq!(second.numbers(), [1, 0]);
    assert_eq!(second.link("self"), Some(next));
    assert_eq!(second.link("next"), None);
}
