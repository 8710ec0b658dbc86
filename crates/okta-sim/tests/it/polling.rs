//! Polling: persistence order, `next` always, retention by persistence time.

use std::time::Duration;

use chrono::TimeDelta;
use okta_sim::{Events, PersistError};

use crate::support::Fixture;

const DAYS_7: Duration = Duration::from_hours(24 * 7);
const DAYS_90: Duration = Duration::from_hours(24 * 90);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn next_links_lead_through_every_event_in_persistence_order() {
    let sim = Fixture::start().await;
    sim.persist(0, 25);

    let pages = sim.walk("/api/v1/logs?limit=10").await;

    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(pages.concat(), (0..25).collect::<Vec<_>>());
}

#[tokio::test]
async fn pages_rendered_beforehand_are_the_pages_that_would_be_rendered() {
    let sim = Fixture::start().await;
    sim.persist(0, 25);
    sim.org().render_pages(10);
    let before = sim.walk("/api/v1/logs?limit=10").await;
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(before.concat(), (0..25).collect::<Vec<_>>());

    // The last page has grown since, and other sizes were never rendered.
    sim.persist(25, 5);
    for limit in [10, 7] {
        let after = sim.walk(&format!("/api/v1/logs?limit={limit}")).await;
        assert_eq!(after.concat(), (0..30).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_empty_page_repeats_its_own_cursor_and_finds_later_events() {
    let sim = Fixture::start().await;
    for before in [0, 3] {
        sim.persist(0, before);
        let mut target = "/api/v1/logs?limit=10".to_owned();
        if before > 0 {
            target = sim.get(&target).await.link("next").unwrap();
        }

        let empty = sim.get(&target).await;
        assert_eq!(empty.text(), "[]");
        let next = empty.link("next").unwrap();
        if before > 0 {
            assert_eq!(empty.link("self").unwrap(), next);
        }
        assert_eq!(sim.get(&next).await.link("next").unwrap(), next);

        sim.persist(100, 2);
        assert_eq!(sim.get(&next).await.numbers(), [100, 101]);
        sim.org().clock().advance(DAYS_7 + MINUTE);
    }
}

#[tokio::test]
async fn the_default_limit_is_100() {
    let sim = Fixture::start().await;
    sim.persist(0, 150);

    assert_eq!(sim.get("/api/v1/logs").await.numbers().len(), 100);
}

#[tokio::test]
async fn since_is_inclusive_and_goes_by_persistence_time() {
    let sim = Fixture::start().await;
    let now = sim.org().clock().now();
    for (n, hours) in [(0, 3), (1, 2), (2, 1)] {
        let line = format!(r#"{{"n":{n},"published":"2001-01-01T00:00:00.000Z"}}"#);
        sim.org()
            .persist_at(
                Events::from_lines([line]).unwrap(),
                now - TimeDelta::hours(hours),
            )
            .unwrap();
    }
    let second = now - TimeDelta::hours(2);
    let cases = [
        (
            second.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            vec![1, 2],
        ),
        (
            second.format("%Y-%m-%dT%H:%M:%S%.3f%%2B00:00").to_string(),
            vec![1, 2],
        ),
        (
            (second + TimeDelta::milliseconds(1))
                .format("%Y-%m-%dT%H:%M:%S%.3fZ")
                .to_string(),
            vec![2],
        ),
        (
            (second - TimeDelta::seconds(1))
                .format("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            vec![1, 2],
        ),
    ];

    for (since, numbers) in cases {
        assert_eq!(
            sim.get(&format!("/api/v1/logs?since={since}"))
                .await
                .numbers(),
            numbers,
            "{since}"
        );
    }
}

#[tokio::test]
async fn since_is_seven_days_ago_if_it_is_not_given() {
    let sim = Fixture::start().await;
    sim.persist(0, 1);
    sim.org().clock().advance(DAYS_7.saturating_sub(MINUTE));
    sim.persist(1, 1);
    assert_eq!(sim.get("/api/v1/logs").await.numbers(), [0, 1]);

    sim.org().clock().advance(2 * MINUTE);
    assert_eq!(sim.get("/api/v1/logs").await.numbers(), [1]);
}

#[tokio::test]
async fn events_leave_90_days_after_they_were_persisted_and_old_cursors_are_clipped() {
    let sim = Fixture::start().await;
    sim.persist(0, 3);
    let cursor = sim.get("/api/v1/logs?limit=1").await.link("next").unwrap();
    sim.org().clock().advance(DAYS_90.saturating_sub(MINUTE));
    sim.renew_token();
    sim.persist(3, 1);
    assert_eq!(sim.get(&cursor).await.numbers(), [1]);
    assert_eq!(
        sim.get("/api/v1/logs?since=2001-01-01T00:00:00Z")
            .await
            .numbers(),
        [0, 1, 2, 3]
    );

    sim.org().clock().advance(2 * MINUTE);

    assert_eq!(sim.get(&cursor).await.numbers(), [3]);
    assert_eq!(
        sim.get("/api/v1/logs?since=2001-01-01T00:00:00Z")
            .await
            .numbers(),
        [3]
    );
}

#[tokio::test]
async fn late_events_are_shown_once_where_they_were_persisted() {
    let sim = Fixture::start().await;
    sim.persist(0, 2);
    let next = sim.get("/api/v1/logs").await.link("next").unwrap();
    let late = r#"{"n":2,"published":"2001-01-01T00:00:00.000Z"}"#;
    sim.org().persist(Events::from_lines([late]).unwrap());
    sim.persist(3, 1);

    assert_eq!(sim.get(&next).await.numbers(), [2, 3]);
}

#[tokio::test]
async fn events_cannot_be_persisted_before_the_last_one_or_in_the_future() {
    let sim = Fixture::start().await;
    sim.persist(0, 1);
    let event = || Events::from_lines(["{}"]).unwrap();
    let now = sim.org().clock().now();

    let early = sim.org().persist_at(event(), now - TimeDelta::hours(1));
    let future = sim.org().persist_at(event(), now + TimeDelta::hours(1));

    assert!(
        matches!(early, Err(PersistError::BeforeLast { .. })),
        "{early:?}"
    );
    assert!(
        matches!(future, Err(PersistError::InFuture { .. })),
        "{future:?}"
    );
}

#[tokio::test]
async fn unread_counts_what_lies_behind_the_furthest_page_served() {
    let sim = Fixture::start().await;
    sim.persist(0, 5);
    assert_eq!((sim.org().unread(), sim.org().head_reached()), (5, false));

    let next = sim.get("/api/v1/logs?limit=3").await.link("next").unwrap();
    assert_eq!((sim.org().unread(), sim.org().head_reached()), (2, false));
    let next = sim.get(&next).await.link("next").unwrap();
    assert_eq!((sim.org().unread(), sim.org().head_reached()), (0, false));
    sim.get(&next).await;
    assert_eq!((sim.org().unread(), sim.org().head_reached()), (0, true));

    sim.persist(5, 1);
    assert_eq!(sim.org().unread(), 1);
}

#[tokio::test]
async fn a_probe_that_asks_for_what_comes_makes_nothing_read() {
    let sim = Fixture::start().await;
    sim.persist(0, 5);

    let probe = sim.get("/api/v1/logs?since=2999-01-01T00:00:00Z").await;

    assert_eq!(probe.text(), "[]");
    assert_eq!((sim.org().unread(), sim.org().head_reached()), (5, false));
}

#[tokio::test]
async fn an_empty_log_is_read_at_the_first_poll() {
    let sim = Fixture::start().await;
    assert!(!sim.org().head_reached());

    sim.get("/api/v1/logs").await;

    assert_eq!((sim.org().unread(), sim.org().head_reached()), (0, true));
}
