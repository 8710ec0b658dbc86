//! The status of a source, and pages that stay unreadable.

use std::time::Duration;

use model::budget::{Heard, Report};
use model::ids::{CredentialId, SourceId};
use model::job::JobKind;
use model::status::{Rung, Trouble};
use store::{BudgetKey, NewQuarantine, Settled, SourceStatus, StoreError};

use crate::common::{DAY, Events, HOUR, House, LEASE, MINUTE, done, route_id};

async fn status(house: &House, source: &store::Source) -> SourceStatus {
    house
        .store
        .source_status(house.tenant, SourceId(source.id))
        .await
        .unwrap()
}

#[tokio::test]
async fn polling_climbs_to_running_and_says_what_stands_in_its_way() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let credential = house
        .store
        .credential(house.tenant, CredentialId(source.credential_id))
        .await
        .unwrap();
    let rung = async || status(&house, &source).await.polling.rung();
    assert_eq!(rung().await, Rung::Pending);
    assert!(status(&house, &source).await.polling.next_poll_at.is_some());

    let lease = house.lease_poll(1, &source).await;
    assert_eq!(rung().await, Rung::Connecting);
    let seen = status(&house, &source).await.polling;
    assert!(seen.polling_now && seen.next_poll_at.is_none());
    let log = house.log(&source).await;
    house.store.poll_begun(&log).await.unwrap();

    house
        .store
        .poll_failed(
            &lease.fence,
            LEASE,
            &log,
            Trouble::OktaUnreachable,
            "timed out",
        )
        .await
        .unwrap();
    let seen = status(&house, &source).await.polling;
    assert_eq!(
        (seen.rung(), seen.trouble()),
        (
            Rung::Waiting,
            Some((Trouble::OktaUnreachable, Some("timed out")))
        )
    );

    house
        .store
        .credential_refused(
            house.tenant,
            &credential,
            Trouble::TokenRefused,
            "401",
            HOUR,
        )
        .await
        .unwrap();
    let seen = status(&house, &source).await.polling;
    assert_eq!(
        (seen.rung(), seen.trouble()),
        (
            Rung::ActionNeeded,
            Some((Trouble::TokenRefused, Some("401")))
        )
    );

    house
        .store
        .credential_accepted(house.tenant, &credential, Some("00o"))
        .await
        .unwrap();
    house
        .append(
            lease.fence,
            &log,
            &Events::some(0..2, house.now().await),
            "next",
        )
        .await
        .unwrap();
    assert!(house.end(&lease, done(HOUR)).await);
    let seen = status(&house, &source).await.polling;
    assert_eq!(
        (seen.rung(), seen.stored, seen.trouble()),
        (Rung::Running, 2, None)
    );
    assert!(seen.last_event_at.is_some() && seen.newest_published.is_some());

    house
        .store
        .set_source_enabled(house.tenant, SourceId(source.id), false)
        .await
        .unwrap();
    assert_eq!(rung().await, Rung::Paused);
}

#[tokio::test]
async fn a_job_that_kills_its_workers_shows() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    for _ in 0..6 {
        house.claim(1, LEASE, JobKind::Poll).await;
        house.claim(1, LEASE, JobKind::Deliver).await;
        time.advance(LEASE + MINUTE).await;
    }
    let seen = status(&house, &source).await;
    assert_eq!(
        seen.polling.trouble(),
        Some((Trouble::JobQuarantined, None))
    );
    assert_eq!(seen.routes[0].trouble(), Some(Trouble::JobQuarantined));
    assert_eq!(seen.routes[0].route_id, route.id);
}

#[tokio::test]
async fn delivery_shows_what_is_owed() {
    let house = House::new().await;
    let source = house.source("acme").await;
    assert!(status(&house, &source).await.routes.is_empty());
    let route = house.route(&source, "out").await;
    assert_eq!(
        status(&house, &source).await.routes[0].rung(),
        Rung::Running,
        "nothing to do, nothing wrong"
    );
    house
        .poll(&source, &Events::some(0..5, house.now().await))
        .await;
    let owing = &status(&house, &source).await.routes[0];
    assert_eq!((owing.rung(), owing.pending), (Rung::Connecting, 5));

    let lease = house.lease(1, JobKind::Deliver, route.id).await;
    let at = house
        .store
        .deliver_context(house.tenant, route_id(&route))
        .await
        .unwrap()
        .position;
    let mut settled = Settled {
        to: Some((at.day, 1, 3)),
        delivered: vec![(house.now().await, 3)],
        trouble: Some((Trouble::DestinationUnavailable, "full".to_owned())),
        ..Settled::default()
    };
    let at = house
        .store
        .settle(&lease.fence, LEASE, &at, &settled)
        .await
        .unwrap();
    let failing = &status(&house, &source).await.routes[0];
    assert_eq!(
        (failing.rung(), failing.pending, failing.delivered),
        (Rung::Waiting, 2, 3)
    );
    assert_eq!(failing.trouble_detail.as_deref(), Some("full"));
    (settled.to, settled.trouble) = (Some((at.day, 2, 0)), None);
    house
        .store
        .settle(&lease.fence, LEASE, &at, &settled)
        .await
        .unwrap();
    assert_eq!(
        status(&house, &source).await.routes[0].rung(),
        Rung::Running
    );
}

#[tokio::test]
async fn the_budget_shows_while_its_window_lasts() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let credential = house
        .store
        .credential(house.tenant, CredentialId(source.credential_id))
        .await
        .unwrap();
    let key = BudgetKey::of(&credential);
    assert_eq!(status(&house, &source).await.polling.budget_left, None);
    let heard = Heard {
        limit: 60,
        remaining: 59,
        reset: 1000,
        resets_in: MINUTE,
        ago: Duration::ZERO,
    };
    let report = Report {
        heard: Some(heard),
        ..Report::default()
    };
    let settled = house.store.settle_requests(&key, 1.0, &report);
    settled.await.unwrap();
    let polling = status(&house, &source).await.polling;
    assert_eq!(
        (polling.budget_left, polling.budget_limit),
        (Some(59), Some(60))
    );
    assert!(polling.budget_resets_at > Some(polling.now));
    time.advance(2 * MINUTE).await;
    assert_eq!(status(&house, &source).await.polling.budget_left, None);
}

#[tokio::test]
async fn equal_unreadable_answers_are_counted_and_others_begin_anew() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let lease = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    let count = async |hash: &[u8]| {
        house
            .store
            .page_malformed(&lease.fence, HOUR, &log, hash)
            .await
            .unwrap()
    };
    assert_eq!(count(b"a").await.0, 1);
    time.advance(MINUTE).await;
    let (times, since) = count(b"a").await;
    assert!(
        times == 2 && since >= MINUTE && since < 2 * MINUTE,
        "{times} {since:?}"
    );
    assert_eq!(count(b"b").await.0, 1);
    house
        .append(lease.fence, &log, &Events::default(), "next")
        .await
        .unwrap();
    assert_eq!(count(b"b").await.0, 1, "a readable page ends the row");
}

#[tokio::test]
async fn a_quarantined_page_is_kept_and_its_hours_are_a_gap() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    house
        .poll(&source, &Events::some(0..2, house.now().await))
        .await;
    time.advance(6 * HOUR).await;
    let lease = house.lease_poll(1, &source).await;
    let log = house.log(&source).await;
    let page = NewQuarantine {
        log: &log,
        problem: "not JSON",
        body: b"{\"oops\":",
        next: Some("beyond"),
        cursor_query: "",
    };

    house
        .store
        .quarantine_page(&lease.fence, LEASE, &page)
        .await
        .unwrap();

    let after = house.log(&source).await;
    assert_eq!(after.cursor.as_deref(), Some("beyond"));
    let id = SourceId(source.id);
    let kept = house
        .store
        .list_quarantined(house.tenant, id)
        .await
        .unwrap();
    assert_eq!((kept.len(), kept[0].problem.as_str()), (1, "not JSON"));
    assert_eq!(
        (&kept[0].cursor, kept[0].next_cursor.as_deref()),
        (&log.cursor, Some("beyond"))
    );
    assert_eq!(kept[0].gap_from, log.watermark);
    let gaps = house
        .store
        .ledger(house.tenant, id, None, 100)
        .await
        .unwrap();
    let gaps = gaps.iter().filter(|hour| hour.gap).count();
    assert!((6..=8).contains(&gaps), "{gaps}");
    assert_eq!(status(&house, &source).await.polling.quarantined, 1);

    // The log has moved: the same page again is refused, and a page without a way on leaves the cursor.
    let error = house
        .store
        .quarantine_page(&lease.fence, LEASE, &page)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::LeaseLost), "{error}");
    let stuck = NewQuarantine {
        log: &after,
        next: None,
        ..page
    };
    house
        .store
        .quarantine_page(&lease.fence, LEASE, &stuck)
        .await
        .unwrap();
    assert_eq!(house.log(&source).await.cursor.as_deref(), Some("beyond"));
    assert!(house.end(&lease, done(Duration::ZERO)).await);
    assert!(!house.end(&lease, done(DAY)).await);
}
