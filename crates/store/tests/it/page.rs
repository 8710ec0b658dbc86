//! The page transaction: what an append moves, and when it is refused.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::ids::LogId;
use model::job::{Fence, JobKind};
use store::{Batch, Log, NewPage, Source, StoreError};

use crate::common::{DAY, Events, HOUR, House, LEASE, done};

async fn batches(house: &House, log: &Log) -> Vec<Batch> {
    let all = house
        .store
        .batches(house.tenant, LogId(log.id), log.first_day, 1, i64::MAX);
    all.await.expect("the batches can be read")
}

#[tokio::test]
async fn a_page_becomes_a_numbered_batch_and_moves_the_log() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let now = house.now().await;
    let lease = house.lease_poll(1, &source).await;
    let before = house.log(&source).await;
    assert_eq!(
        (before.next_number, before.stored, before.cursor.as_deref()),
        (1, 0, None)
    );
    let (older, newer) = (now - TimeDelta::seconds(30), now - TimeDelta::seconds(10));
    let first = Events::default()
        .and(1, "a", Some(newer))
        .and(2, "b", Some(older));

    let done = house
        .append(lease.fence, &before, &first, "next")
        .await
        .unwrap();

    assert_eq!((done.stored, done.dropped), (2, 0));
    let log = house.log(&source).await;
    assert_eq!(
        (log.next_number, log.stored, log.cursor.as_deref()),
        (2, 2, Some("next"))
    );
    assert_eq!(
        (log.watermark, log.newest_published),
        (Some(older), Some(newer))
    );
    assert_eq!(
        (log.cursor_query.as_deref(), log.day),
        (Some(""), now.date_naive())
    );
    assert!(log.last_success_at >= Some(now) && log.last_event_at >= Some(now));
    // What the append returns is what is stored, as far as an append moves it.
    let returned = &done.log;
    assert_eq!(
        (returned.next_number, &returned.cursor, returned.day),
        (log.next_number, &log.cursor, log.day)
    );
    assert_eq!(
        (returned.watermark, returned.newest_published),
        (log.watermark, log.newest_published)
    );

    let second = Events::default().and(3, "c", Some(older));
    house
        .append(lease.fence, &done.log, &second, "after")
        .await
        .unwrap();
    let log = house.log(&source).await;
    assert_eq!((log.next_number, log.stored), (3, 3));
    assert_eq!(log.watermark, Some(older), "of the last page");
    assert_eq!(log.newest_published, Some(newer), "of all pages");
}

#[tokio::test]
async fn batches_are_read_back_byte_for_byte_with_their_hours() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let hour =
        |n: i64| Some(DateTime::from_timestamp(1_790_000_000 / 3600 * 3600 + n * 3600, 0).unwrap());
    let page = Events::default()
        .and(1, "\u{2028} \\ud800 \u{e9}", hour(0))
        .and(2, "b", hour(0))
        .and(3, "c", hour(5))
        .and(4, "d", None)
        .and(5, "e", hour(0));
    let appended = house.poll(&source, &page).await;

    let all = batches(&house, &appended.log).await;

    let batch = &all[0];
    assert_eq!(batch.ndjson, page.ndjson);
    assert_eq!((batch.head.number, batch.head.events), (1, 5));
    assert_eq!(usize::try_from(batch.head.bytes), Ok(page.ndjson.len()));
    let receipt = batch.received_at.timestamp().div_euclid(3600) * 3600;
    let receipt = DateTime::from_timestamp(receipt, 0);
    let hours: Vec<Option<DateTime<Utc>>> = batch.hours().map(Some).collect();
    assert_eq!(hours, [hour(0), hour(0), hour(5), receipt, hour(0)]);
}

#[tokio::test]
async fn heads_and_batches_are_given_in_order_and_in_part() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let now = house.now().await;
    for n in 0..5 {
        house
            .poll(&source, &Events::some(n * 10..n * 10 + 3, now))
            .await;
    }
    let log = house.log(&source).await;
    let heads = house
        .store
        .batch_heads(house.tenant, LogId(log.id), log.first_day, 2, 3)
        .await
        .unwrap();
    assert_eq!(
        heads.iter().map(|head| head.number).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    let some = house
        .store
        .batches(house.tenant, LogId(log.id), log.first_day, 2, 4)
        .await
        .unwrap();
    assert_eq!(
        some.iter()
            .map(|batch| batch.head.number)
            .collect::<Vec<_>>(),
        [2, 3, 4]
    );
    let other = house.store.ensure_tenant("other").await.unwrap();
    let foreign = house
        .store
        .batches(other, LogId(log.id), log.first_day, 1, 9)
        .await
        .unwrap();
    assert!(foreign.is_empty());
}

#[tokio::test]
async fn an_empty_page_is_a_success_without_a_batch() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    let deliver = house.lease(1, JobKind::Deliver, route.id).await;
    assert!(house.end(&deliver, done(HOUR)).await);

    let appended = house.poll(&source, &Events::default()).await;

    assert!(appended.lanes.is_empty());
    assert!(!house.is_due(JobKind::Deliver, route.id).await);
    let log = house.log(&source).await;
    assert_eq!((log.next_number, log.stored, log.watermark), (1, 0, None));
    assert!(log.last_success_at.is_some() && log.last_event_at.is_none());
    assert_eq!(log.cursor.as_deref(), Some("cursor after 1"));
}

#[tokio::test]
async fn a_page_makes_all_routes_of_its_source_due_and_names_their_lanes() {
    let house = House::new().await;
    let (source, other) = (house.source("acme").await, house.source("other").await);
    let routes = [
        house.route(&source, "a").await,
        house.route(&source, "b").await,
    ];
    let foreign = house.route(&other, "c").await;
    let mut lanes = Vec::new();
    for lease in house.claim(1, LEASE, JobKind::Deliver).await {
        lanes.push(lease.lane);
        let failing = Some(lease.subject == routes[0].id);
        assert!(house.end_as(lease.fence, done(HOUR), failing).await);
    }

    let mut named = house
        .poll(&source, &Events::some(0..2, house.now().await))
        .await
        .lanes;

    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 2, "both routes, in their two lanes");
    for route in &routes {
        assert!(house.is_due(JobKind::Deliver, route.id).await);
    }
    assert!(!house.is_due(JobKind::Deliver, foreign.id).await);
}

async fn refused(house: &House, fence: Fence, log: &Log) {
    let page = Events::some(100..103, house.now().await);
    let error = house.append(fence, log, &page, "stale").await.unwrap_err();
    assert!(matches!(error, StoreError::LeaseLost), "{error}");
}

#[tokio::test]
async fn a_stale_writer_changes_nothing() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let old = house.lease_poll(1, &source).await;
    let start = house.log(&source).await;
    time.advance(LEASE).await;
    let new = house.lease_poll(2, &source).await;
    let page = Events::some(0..3, house.now().await);
    let now = house
        .append(new.fence, &start, &page, "next")
        .await
        .unwrap()
        .log;

    refused(&house, old.fence, &now).await;
    refused(
        &house,
        Fence {
            owner: 1,
            ..new.fence
        },
        &now,
    )
    .await;
    // The fence is good, but the log is not where it was read: number, then cursor.
    refused(&house, new.fence, &start).await;
    let moved = Log {
        cursor: Some("elsewhere".to_owned()),
        ..now.clone()
    };
    refused(&house, new.fence, &moved).await;
    assert!(house.end(&new, done(DAY)).await);
    refused(&house, new.fence, &now).await;

    let log = house.log(&source).await;
    assert_eq!(
        (log.stored, log.next_number, log.cursor.as_deref()),
        (3, 2, Some("next"))
    );
    assert_eq!(house.number("SELECT count(*) FROM batches").await, 1);
    assert_eq!(
        house
            .number("SELECT sum(stored)::bigint FROM source_ledger")
            .await,
        3
    );
}

#[tokio::test]
async fn a_page_renews_the_lease_and_clears_troubles() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    time.advance(LEASE * 3 / 4).await;
    let log = house.log(&source).await;
    let trouble = model::status::Trouble::OktaUnavailable;
    house
        .store
        .poll_failed(&lease.fence, LEASE, &log, trouble, "503")
        .await
        .unwrap();
    let log = house.log(&source).await;
    assert_eq!(
        (log.trouble.as_deref(), log.failures),
        (Some("okta_unavailable"), 1)
    );
    time.advance(LEASE * 3 / 4).await;

    house
        .append(lease.fence, &log, &Events::default(), "next")
        .await
        .unwrap();

    time.advance(LEASE * 3 / 4).await;
    assert!(house.claim(2, LEASE, JobKind::Poll).await.is_empty());
    let log = house.log(&source).await;
    assert_eq!(
        (log.trouble, log.trouble_detail, log.failures),
        (None, None, 0)
    );
}

#[tokio::test]
async fn a_page_ends_a_row_of_lost_leases() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    house.lease_poll(1, &source).await;
    time.advance(LEASE).await;
    let lease = house.lease_poll(1, &source).await;
    assert_eq!(lease.lost, 1);
    let log = house.log(&source).await;
    house
        .append(lease.fence, &log, &Events::default(), "next")
        .await
        .unwrap();
    time.advance(LEASE).await;
    assert_eq!(house.lease_poll(1, &source).await.lost, 1);
}

#[tokio::test]
async fn ten_days_without_a_janitor_the_writer_makes_the_partitions() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    for n in 0..3 {
        let page = Events::some(n * 10..n * 10 + 2, house.now().await);
        let appended = house.poll(&source, &page).await;
        assert_eq!(appended.log.day, house.now().await.date_naive());
        time.advance(10 * DAY).await;
    }
    let log = house.log(&source).await;
    assert_eq!(batches(&house, &log).await.len(), 3);
}

#[tokio::test]
async fn the_day_of_a_log_never_goes_back() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    time.advance(3 * DAY).await;
    let first = house
        .poll(&source, &Events::some(0..1, house.now().await))
        .await;
    house
        .execute("UPDATE test_clock SET shift = '0'; UPDATE job_schedule SET run_at = '2000-01-01'")
        .await;
    let second = house
        .poll(&source, &Events::some(1..2, house.now().await))
        .await;
    assert_eq!(second.log.day, first.log.day);
    assert_eq!(batches(&house, &second.log).await.len(), 2);
}

#[tokio::test]
async fn without_a_way_on_the_cursor_is_empty_and_what_comes_is_read_again() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    let events = Events::some(0..2, house.now().await);
    let page = NewPage {
        fence: lease.fence,
        lease: LEASE,
        log: &log,
        ndjson: &events.ndjson,
        events: &events.ids,
        date: house.now().await,
        cursor: None,
        cursor_query: "",
        at_head: false,
    };
    let appended = house.store.append_page(&page).await.unwrap();
    assert!(appended.log.rereading && appended.log.cursor.is_none());
    assert!(house.end(&lease, done(Duration::ZERO)).await);
    let again: store::Appended = house.poll(&source, &events).await;
    assert_eq!((again.stored, again.dropped), (0, 2));
    assert_eq!(counts(&house, &source).await, [2, 0, 0, 2]);
}

/// Stored, late, duplicate and reread, over all hours.
pub(crate) async fn counts(house: &House, source: &Source) -> [i64; 4] {
    let id = model::ids::SourceId(source.id);
    let hours = house
        .store
        .ledger(house.tenant, id, None, 1000)
        .await
        .unwrap();
    let sum = |pick: fn(&store::LedgerHour) -> i64| hours.iter().map(pick).sum();
    [
        sum(|hour| hour.stored),
        sum(|hour| hour.late),
        sum(|hour| hour.duplicate),
        sum(|hour| hour.reread),
    ]
}
