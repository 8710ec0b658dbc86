//! Duplicates: what is stored once stays stored once, however it comes again.

use chrono::{DateTime, TimeDelta, Utc};
use model::ids::{LogId, SourceId};
use store::{Source, StoreError};

use crate::common::{DAY, Events, House, LEASE, done};
use crate::page::counts;

/// Everything stored for a source, in order.
async fn stored(house: &House, source: &Source) -> Vec<u8> {
    let log = house.log(source).await;
    let all = house
        .store
        .batches(house.tenant, LogId(log.id), log.first_day, 1, i64::MAX)
        .await;
    all.unwrap()
        .iter()
        .flat_map(|batch| batch.ndjson.to_vec())
        .collect()
}

/// Okta refuses the cursor: the next pages come from the watermark on.
async fn drop_cursor(house: &House, source: &Source) {
    let lease = house.lease_poll(1, source).await;
    let log = house.log(source).await;
    house
        .store
        .cursor_dropped(&lease.fence, LEASE, &log)
        .await
        .unwrap();
    assert!(house.end(&lease, done(std::time::Duration::ZERO)).await);
    let dropped = house.log(source).await;
    assert_eq!((dropped.cursor, dropped.rereading), (None, true));
    assert_eq!(dropped.fallbacks, log.fallbacks + 1);
}

fn far() -> DateTime<Utc> {
    "2099-01-01T00:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn equal_events_of_one_page_are_stored_once_and_the_bytes_of_the_rest_are_kept() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let at = Some(house.now().await);
    let page = Events::default()
        .and(1, "a", at)
        .and(2, "b", at)
        .and(1, "a", at)
        .and(1, "other bytes", at)
        .and(3, "c", at)
        .and(2, "b", at);

    let appended = house.poll(&source, &page).await;

    assert_eq!((appended.stored, appended.dropped), (4, 2));
    let lines = page.lines();
    let expected = [lines[0], lines[1], lines[3], lines[4]].concat();
    assert_eq!(stored(&house, &source).await, expected);
    assert_eq!(counts(&house, &source).await, [4, 0, 2, 0]);
}

#[tokio::test]
async fn equal_events_of_an_earlier_page_are_dropped_and_others_kept() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let at = Some(house.now().await);
    let first = Events::default().and(1, "a", at).and(2, "b", at);
    house.poll(&source, &first).await;

    let second = Events::default()
        .and(2, "b", at)
        .and(1, "changed", at)
        .and(3, "c", at);
    let appended = house.poll(&source, &second).await;

    assert_eq!((appended.stored, appended.dropped), (2, 1));
    // Both versions are known from now on.
    let third = house.poll(&source, &second).await;
    assert_eq!((third.stored, third.dropped), (0, 3));
    assert_eq!(
        third.log.next_number, appended.log.next_number,
        "no batch without events"
    );
    let expected = [
        first.ndjson.as_slice(),
        second.lines()[1],
        second.lines()[2],
    ]
    .concat();
    assert_eq!(stored(&house, &source).await, expected);
    assert_eq!(counts(&house, &source).await, [4, 0, 4, 0]);
}

#[tokio::test]
async fn sources_do_not_know_each_others_events() {
    let house = House::new().await;
    let (one, two) = (house.source("one").await, house.source("two").await);
    let page = Events::some(0..3, house.now().await);
    for source in [&one, &two] {
        assert_eq!(house.poll(source, &page).await.stored, 3);
    }
}

#[tokio::test]
async fn undated_events_are_known_again_days_later() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let page = Events::default().and(1, "a", None).and(2, "b", None);
    assert_eq!(house.poll(&source, &page).await.stored, 2);
    let log = house.log(&source).await;
    assert_eq!((log.watermark, log.newest_published), (None, None));
    time.advance(5 * DAY).await;
    assert_eq!(house.poll(&source, &page.and(3, "c", None)).await.stored, 1);
    assert_eq!(counts(&house, &source).await, [3, 0, 2, 0]);
}

#[tokio::test]
async fn an_event_of_2099_moves_neither_watermark_nor_lag_and_is_known_again() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let now = house.now().await;
    let page = Events::default()
        .and(1, "a", Some(now))
        .and(2, "far", Some(far()))
        .and(3, "b", Some(now));
    house.poll(&source, &page).await;
    let log = house.log(&source).await;
    assert_eq!(
        (log.watermark, log.newest_published),
        (Some(now), Some(now))
    );
    let parts =
        "SELECT count(*) FROM batch_ids WHERE part = 'ahead' AND first_published > '2098-01-01'";
    assert_eq!(house.number(parts).await, 1);

    drop_cursor(&house, &source).await;
    assert_eq!(house.poll(&source, &page).await.stored, 0);
    assert_eq!(stored(&house, &source).await, page.ndjson);
}

#[tokio::test]
async fn a_page_of_nothing_but_the_future_leaves_the_watermark_where_it_was() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let now = house.now().await;
    house
        .poll(&source, &Events::default().and(1, "a", Some(now)))
        .await;
    house
        .poll(&source, &Events::default().and(2, "far", Some(far())))
        .await;
    assert_eq!(house.log(&source).await.watermark, Some(now));
}

#[tokio::test]
async fn after_a_fallback_what_comes_again_is_reread_until_the_first_new_event() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let now = house.now().await;
    let first = Events::some(0..4, now);
    house.poll(&source, &first).await;
    drop_cursor(&house, &source).await;

    house
        .poll(&source, &Events::some(0..2, now - TimeDelta::seconds(2)))
        .await;
    assert!(house.log(&source).await.rereading);
    // Two more that are known, a new one, and one that is known again.
    let rest = Events::some(2..4, now)
        .and(9, "new", Some(now))
        .and(3, "hello", Some(now));
    let appended = house.poll(&source, &rest).await;
    assert_eq!((appended.stored, appended.dropped), (1, 3));
    assert!(!house.log(&source).await.rereading);
    assert_eq!(counts(&house, &source).await, [5, 0, 1, 4]);

    house.poll(&source, &first).await;
    assert_eq!(counts(&house, &source).await, [5, 0, 5, 4]);
}

#[tokio::test]
async fn an_event_dated_forty_days_ahead_is_known_again_when_its_day_has_come() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let ahead = house.now().await + TimeDelta::days(40);
    let page = Events::default().and(1, "early", Some(ahead));
    assert_eq!(house.poll(&source, &page).await.stored, 1);
    for days in [39, 2, 20] {
        time.advance(days * DAY).await;
        house
            .poll(
                &source,
                &Events::some(
                    100 + u64::from(days)..101 + u64::from(days),
                    house.now().await,
                ),
            )
            .await;
        assert_eq!(
            house.poll(&source, &page).await.stored,
            0,
            "{days} days later"
        );
    }
}

#[tokio::test]
async fn a_late_event_and_its_repetition_meet_over_many_days() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let begin = house.now().await;
    let late = Events::default().and(1, "late", Some(begin));
    time.advance(30 * DAY).await;
    house.poll(&source, &late).await;
    for _ in 0..3 {
        time.advance(15 * DAY).await;
        let mixed = late.clone().and(
            house.now().await.timestamp().unsigned_abs(),
            "new",
            Some(house.now().await),
        );
        assert_eq!(house.poll(&source, &mixed).await.stored, 1);
    }
}

#[tokio::test]
async fn the_ledger_counts_by_hour_and_knows_late_ones() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let hour = DateTime::from_timestamp(house.now().await.timestamp() / 3600 * 3600, 0).unwrap();
    let at = |minutes| Some(hour - TimeDelta::minutes(minutes));
    let page = Events::default()
        .and(1, "a", at(60))
        .and(2, "b", at(4))
        .and(3, "4 minutes behind", at(8))
        .and(4, "6 minutes behind", at(10))
        .and(5, "undated", None)
        .and(6, "an hour behind", at(64));
    house.poll(&source, &page).await;

    let ledger = house
        .store
        .ledger(house.tenant, SourceId(source.id), None, 10)
        .await
        .unwrap();
    let rows: Vec<_> = ledger
        .iter()
        .map(|row| ((hour - row.hour).num_hours(), row.stored, row.late))
        .collect();
    let now = (hour - house.now().await).num_hours();
    assert_eq!(rows, [(now, 1, 0), (1, 4, 1), (2, 1, 1)]);
    let older = house
        .store
        .ledger(house.tenant, SourceId(source.id), Some(ledger[0].hour), 1)
        .await
        .unwrap();
    assert_eq!(older[0].hour, ledger[1].hour);
}

#[tokio::test]
async fn a_stale_poll_cannot_drop_a_cursor() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    house
        .poll(&source, &Events::some(0..1, house.now().await))
        .await;
    let old = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    time.advance(LEASE).await;
    let new = house.lease_poll(2, &source).await;
    let other = store::Log {
        cursor: Some("elsewhere".to_owned()),
        ..log.clone()
    };
    for (fence, log) in [(old.fence, &log), (new.fence, &other)] {
        let error = house
            .store
            .cursor_dropped(&fence, LEASE, log)
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::LeaseLost), "{error}");
    }
    assert_eq!(house.log(&source).await.cursor, log.cursor);
}
