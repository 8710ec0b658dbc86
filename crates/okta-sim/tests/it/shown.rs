//! Events that only some queries show, come late, or are dated ahead.

use std::time::Duration;

use okta_sim::{Events, Shown};

use crate::support::Fixture;

const WINDOW: &str = "/api/v1/logs?since=2026-03-08T00:00:00Z&until=2026-03-09T00:00:00Z";

fn event(n: i64, published: &str) -> Events {
    Events::from_lines([format!(r#"{{"n":{n},"published":"{published}"}}"#)]).unwrap()
}

#[tokio::test]
async fn a_withheld_event_is_in_windows_only_until_it_is_revealed() {
    let sim = Fixture::start().await;
    sim.org().persist(event(0, "2026-03-08T10:00:00.000Z"));
    let index = sim
        .org()
        .persist_shown(event(1, "2026-03-08T10:00:01.000Z"), Shown::Bounded);
    sim.org().persist(event(2, "2026-03-08T10:00:02.000Z"));
    assert_eq!(sim.get(WINDOW).await.numbers(), [0, 1, 2]);
    let first = sim.get("/api/v1/logs").await;
    assert_eq!(first.numbers(), [0, 2]);
    assert_eq!(sim.org().published_count(), 3);

    sim.org().clock().advance(Duration::from_secs(5));
    assert!(sim.org().reveal(index));
    assert!(!sim.org().reveal(index));

    let next = sim.get(&first.link("next").unwrap()).await;
    assert_eq!(next.numbers(), [1]);
    assert_eq!(sim.get(WINDOW).await.numbers(), [0, 1, 2]);
    assert_eq!(sim.org().published_count(), 3);
    sim.get(&next.link("next").unwrap()).await;
    assert!(sim.org().head_reached());
    assert_eq!(sim.org().unread(), 0);
}

#[tokio::test]
async fn a_reader_at_the_head_has_read_all_although_something_is_withheld() {
    let sim = Fixture::start().await;
    sim.persist(0, 1);
    sim.org()
        .persist_shown(event(1, "2026-03-08T10:00:01.000Z"), Shown::Bounded);

    assert_eq!(sim.walk("/api/v1/logs").await.concat(), [0]);

    assert!(sim.org().head_reached());
    assert_eq!(sim.org().unread(), 0);
}

#[tokio::test]
async fn an_event_that_windows_lack_is_polled() {
    let sim = Fixture::start().await;
    let index = sim
        .org()
        .persist_shown(event(1, "2026-03-08T10:00:01.000Z"), Shown::Polling);
    assert_eq!(sim.get("/api/v1/logs").await.numbers(), [1]);
    assert_eq!(sim.get(WINDOW).await.text(), "[]");

    assert!(sim.org().reveal(index));

    assert_eq!(sim.get(WINDOW).await.numbers(), [1]);
    assert_eq!(sim.get("/api/v1/logs").await.numbers(), [1]);
}

#[tokio::test]
async fn late_events_are_polled_once_and_missed_by_a_window_that_was_read() {
    let sim = Fixture::start().await;
    sim.org()
        .clock()
        .set("2026-03-08T10:00:00Z".parse().unwrap());
    sim.renew_token();
    sim.org().persist(event(0, "2026-03-08T09:59:59.000Z"));
    let window = "/api/v1/logs?since=2026-03-08T09:00:00Z&until=2026-03-08T10:00:00Z";
    assert_eq!(sim.walk(window).await.concat(), [0]);
    let first = sim.get("/api/v1/logs").await;

    sim.org().clock().advance(Duration::from_mins(5));
    sim.org().persist(event(1, "2026-03-08T09:30:00.000Z"));
    sim.org().persist(event(2, "2026-03-08T10:09:00.000Z"));

    assert_eq!(
        sim.walk(&first.link("next").unwrap()).await.concat(),
        [1, 2]
    );
    assert_eq!(sim.get(window).await.numbers(), [1, 0]);
}
