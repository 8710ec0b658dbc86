//! Retention: days go when they are past, what a dead route needs stays, and what is given up is counted.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::ids::{LogId, SourceId};
use model::job::JobKind;
use store::{Dropped, RetentionConfig, Route, Settled, Source};
use testkit::time::Time;

use crate::common::{DAY, Events, House, LEASE, done, route_id};

const WEEK: RetentionConfig = RetentionConfig {
    retention: Duration::from_hours(7 * 24),
    max_retention: Duration::from_hours(90 * 24),
};

async fn retain(house: &House, config: &RetentionConfig) -> Dropped {
    house
        .store
        .apply_retention(config)
        .await
        .expect("retention runs")
}

/// Delivers some batches, and some events of the next one.
async fn deliver(house: &House, route: &Route, batches: i64, events: i32) {
    let lease = house.lease(1, JobKind::Deliver, route.id).await;
    let from = house
        .store
        .deliver_context(house.tenant, route_id(route))
        .await
        .unwrap()
        .position;
    let settled = Settled {
        to: Some((from.day, from.number + batches, events)),
        ..Settled::default()
    };
    house
        .store
        .settle(&lease.fence, LEASE, &from, &settled)
        .await
        .unwrap();
    assert!(house.end(&lease, done(Duration::ZERO)).await);
}

/// A day with a page: ten events, two of them of the hour before.
async fn day_with_a_page(house: &House, time: &Time, source: &Source, n: u64) -> Events {
    let hour = DateTime::from_timestamp(house.now().await.timestamp() / 3600 * 3600, 0).unwrap();
    let mut page = Events::default();
    for event in 0..10 {
        let at = hour - TimeDelta::minutes(if event < 2 { 10 } else { -1 });
        page = page.and(n * 10 + event, "hello", Some(at));
    }
    house.poll(source, &page).await;
    time.advance(DAY).await;
    house.store.make_partitions().await.unwrap();
    page
}

/// Numbers and bytes of everything that can still be read.
async fn readable(house: &House, source: &Source) -> (Vec<i64>, Vec<u8>) {
    let log = house.log(source).await;
    let log_id = LogId(log.id);
    let heads = house
        .store
        .batch_heads(house.tenant, log_id, log.first_day, 1, 1000)
        .await
        .unwrap();
    let all = house
        .store
        .batches(house.tenant, log_id, log.first_day, 1, i64::MAX)
        .await
        .unwrap();
    let numbers: Vec<i64> = all.iter().map(|batch| batch.head.number).collect();
    assert_eq!(
        numbers,
        heads.iter().map(|head| head.number).collect::<Vec<_>>()
    );
    (
        numbers,
        all.iter().flat_map(|batch| batch.ndjson.to_vec()).collect(),
    )
}

async fn pending(house: &House, route: &Route) -> i64 {
    house
        .store
        .pending_events(house.tenant, route_id(route))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_dead_route_pins_its_own_events_and_nothing_else() {
    let (house, time) = House::with_time().await;
    let (source, other) = (house.source("acme").await, house.source("other").await);
    let (alive, dead) = (
        house.route(&source, "alive").await,
        house.route(&source, "dead").await,
    );
    let fine = house.route(&other, "fine").await;
    let mut bytes = Vec::new();
    for n in 0..12 {
        bytes.extend(day_with_a_page(&house, &time, &source, n).await.ndjson);
        house
            .poll(&other, &Events::some(n..n + 1, house.now().await))
            .await;
        deliver(&house, &fine, 1, 0).await;
        deliver(&house, &alive, 1, 0).await;
        if n < 2 {
            deliver(&house, &dead, 1, 0).await;
        }
    }

    // Days 0 to 4 are past; of those the dead route needs days 2 to 4, batches 3 to 5.
    let dropped = retain(&house, &WEEK).await;

    assert_eq!((dropped.days, dropped.kept, dropped.given_up), (5, 3, 0));
    let log = house.log(&source).await.id;
    let kept = format!("SELECT count(*) FROM kept_batches WHERE log_id <> '{log}'");
    assert_eq!(
        house.number(&kept).await,
        0,
        "of the other source nothing is kept"
    );
    let (numbers, read) = readable(&house, &source).await;
    assert_eq!(
        numbers,
        (3..=12).collect::<Vec<_>>(),
        "kept and not kept, in order, without gap or double"
    );
    let day = bytes.len() / 12;
    assert!(bytes.ends_with(&read) && read.len() > 9 * day);
    assert_eq!(pending(&house, &dead).await, 100);
    assert_eq!(pending(&house, &alive).await, 0);
    assert_eq!(
        retain(&house, &WEEK).await,
        Dropped::default(),
        "once is enough"
    );

    // The dead route comes back: what it has taken is released.
    deliver(&house, &dead, 2, 5).await;
    assert_eq!(retain(&house, &WEEK).await.released, 2);
    assert_eq!(pending(&house, &dead).await, 75);
    assert_eq!(
        readable(&house, &source).await.0,
        (5..=12).collect::<Vec<_>>()
    );
    deliver(&house, &dead, 8, 0).await;
    assert_eq!(retain(&house, &WEEK).await.released, 1);
    assert_eq!(house.number("SELECT count(*) FROM kept_batches").await, 0);
}

#[tokio::test]
async fn a_run_of_refused_events_pins_the_batches_of_its_recall() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    for n in 0..3 {
        day_with_a_page(&house, &time, &source, n).await;
    }
    let lease = house.lease(1, JobKind::Deliver, route.id).await;
    let from = house
        .store
        .deliver_context(house.tenant, route_id(&route))
        .await
        .unwrap()
        .position;
    let settled = Settled {
        to: Some((from.day, 4, 0)),
        refused: Some((15, "too_large".to_owned(), (from.day, 2, 5))),
        ..Settled::default()
    };
    house
        .store
        .settle(&lease.fence, LEASE, &from, &settled)
        .await
        .unwrap();
    time.advance(10 * DAY).await;

    let dropped = retain(&house, &WEEK).await;

    assert_eq!(
        (dropped.kept, readable(&house, &source).await.0),
        (2, vec![2, 3])
    );
    // Given up, it cannot be recalled any more: its letters stay dead, and nothing is counted twice.
    time.advance(90 * DAY).await;
    let dropped = retain(&house, &WEEK).await;
    assert_eq!(dropped.given_up, 0);
    let at = house
        .store
        .deliver_context(house.tenant, route_id(&route))
        .await
        .unwrap()
        .position;
    assert_eq!(
        (at.number, at.refused_in_row, at.refused_from()),
        (4, 0, None)
    );
}

#[tokio::test]
async fn past_the_maximum_events_are_given_up_and_counted_by_hour_exactly() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let (dead, deader, alive) = (
        house.route(&source, "dead").await,
        house.route(&source, "deader").await,
        house.route(&source, "alive").await,
    );
    for n in 0..6 {
        day_with_a_page(&house, &time, &source, n).await;
    }
    // Half a batch: both events of the earlier hour and three of the later one.
    deliver(&house, &dead, 1, 5).await;
    deliver(&house, &alive, 6, 0).await;
    time.advance(10 * DAY).await;
    let config = RetentionConfig {
        max_retention: 13 * DAY + DAY / 2,
        ..WEEK
    };

    // The pages are 16 to 11 days old: three are past the maximum.
    let dropped = retain(&house, &config).await;

    assert_eq!(
        (dropped.days, dropped.kept, dropped.given_up),
        (9, 6, 5 + 10 + 30)
    );
    assert_eq!(readable(&house, &source).await.0, [4, 5, 6]);
    for (route, given_up) in [(&dead, 15), (&deader, 30), (&alive, 0)] {
        let about = house
            .store
            .deliver_context(house.tenant, route_id(route))
            .await
            .unwrap();
        assert_eq!(about.route.given_up, given_up);
        let expected = if given_up == 0 { (7, 0) } else { (4, 0) };
        assert_eq!((about.position.number, about.position.index), expected);
        assert_eq!(
            pending(&house, route).await,
            if given_up == 0 { 0 } else { 30 }
        );
        let ledger = format!(
            "SELECT coalesce(sum(given_up), 0)::bigint FROM route_ledger WHERE route_id = '{}'",
            route.id
        );
        assert_eq!(house.number(&ledger).await, given_up);
    }
    // Oldest hours last: of page 1 nobody but `deader` lost anything, of page 2 `dead` lost five of the later hour.
    let hours = house
        .store
        .ledger(house.tenant, SourceId(source.id), None, 100)
        .await
        .unwrap();
    let given_up: Vec<i64> = hours.iter().rev().map(|hour| hour.given_up).collect();
    assert_eq!(given_up[..6], [2, 8, 2, 8 + 5, 2 + 2, 8 + 8]);
    assert_eq!(given_up[6..].iter().sum::<i64>(), 0);
    assert_eq!(retain(&house, &config).await, Dropped::default());
}

#[tokio::test]
async fn what_is_given_up_was_not_settled_too() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    day_with_a_page(&house, &time, &source, 0).await;
    let lease = house.lease(1, JobKind::Deliver, route.id).await;
    let from = house
        .store
        .deliver_context(house.tenant, route_id(&route))
        .await
        .unwrap()
        .position;
    time.advance(100 * DAY).await;
    assert_eq!(retain(&house, &WEEK).await.given_up, 10);

    let settled = Settled {
        to: Some((from.day, 2, 0)),
        ..Settled::default()
    };
    let late = house
        .store
        .settle(&lease.fence, LEASE, &from, &settled)
        .await
        .unwrap_err();
    assert!(matches!(late, store::StoreError::LeaseLost), "{late}");
}

#[tokio::test]
async fn identities_outlive_their_batches_for_95_days() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let page = day_with_a_page(&house, &time, &source, 0).await;
    time.advance(93 * DAY).await;
    let dropped = retain(&house, &WEEK).await;
    assert_eq!(
        (
            dropped.id_days,
            house.number("SELECT count(*) FROM batch_ids").await
        ),
        (0, 1)
    );
    assert_eq!(readable(&house, &source).await.0, [0; 0]);
    assert_eq!(house.poll(&source, &page).await.stored, 0, "still known");

    time.advance(3 * DAY).await;
    let dropped = retain(&house, &WEEK).await;
    assert!(dropped.id_days >= 1);
    assert_eq!(house.number("SELECT count(*) FROM batch_ids").await, 0);
    assert_eq!(house.poll(&source, &page).await.stored, 10);
}

#[tokio::test]
async fn a_new_route_begins_with_the_oldest_event_that_is_left() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let dead = house.route(&source, "dead").await;
    for n in 0..3 {
        day_with_a_page(&house, &time, &source, n).await;
    }
    deliver(&house, &dead, 1, 0).await;
    time.advance(8 * DAY).await;
    assert_eq!(retain(&house, &WEEK).await.kept, 2);

    let new = house.route(&source, "new").await;

    let at = house
        .store
        .deliver_context(house.tenant, route_id(&new))
        .await
        .unwrap()
        .position;
    assert_eq!((at.number, at.index), (2, 0));
    assert_eq!(pending(&house, &new).await, 20);
    let heads = house
        .store
        .batch_heads(house.tenant, at.log(), at.day, at.number, 10)
        .await
        .unwrap();
    assert_eq!(heads.len(), 2);
}

#[tokio::test]
async fn a_reader_sees_every_batch_while_days_are_moved_aside() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    house.route(&source, "dead").await;
    for n in 0..12 {
        day_with_a_page(&house, &time, &source, n).await;
    }
    let expected: Vec<i64> = (1..=12).collect();
    let moving = tokio::spawn({
        let house = house.clone();
        async move { retain(&house, &WEEK).await }
    });
    let mut looks = 0;
    while !moving.is_finished() || looks < 3 {
        assert_eq!(readable(&house, &source).await.0, expected);
        looks += 1;
    }
    assert_eq!(moving.await.unwrap().kept, 5);
}

#[tokio::test]
async fn the_present_day_is_never_dropped() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let now: DateTime<Utc> = house.now().await;
    house.poll(&source, &Events::some(0..3, now)).await;
    let nothing = RetentionConfig {
        retention: Duration::ZERO,
        max_retention: Duration::ZERO,
    };
    // However short the retention: the day must be over, and for an hour.
    let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::days(1);
    assert_eq!(retain(&house, &nothing).await.days, 0);
    time.advance((midnight - now).to_std().unwrap() + DAY / 48)
        .await;
    assert_eq!(retain(&house, &nothing).await.days, 0);
    time.advance(DAY / 24).await;
    assert_eq!(retain(&house, &nothing).await.days, 1);
}
