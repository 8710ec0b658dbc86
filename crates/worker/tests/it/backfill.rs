//! Backfills: past ranges read again, each into a log of its own.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::ids::{BackfillId, RouteId, SourceId};
use model::job::JobKind;
use model::source::{RefreshFrequency, Start};
use model::status::Trouble;
use okta_sim::{Fault, RateLimits, TokenState};
use store::{Backfill, Conflict, CredentialChoice, NewBackfill, NewSource, StoreError};
use testkit::ledger::compare;
use testkit::wait;
use uuid::Uuid;

use crate::house::{House, PATIENCE, TOKEN, assert_same, event};
use crate::scripted::{Reply, Scripted, retry};

const DAY: Duration = Duration::from_hours(24);

impl House {
    /// Events of the last so many hours, evenly spread, shown by the org from now on.
    fn past(&self, count: usize, hours: i64) -> Vec<Vec<u8>> {
        let now = self.org().clock().now();
        let step = TimeDelta::hours(hours) / i32::try_from(count).unwrap();
        let events: Vec<_> = (0..count)
            .map(|n| {
                let at = now - step * i32::try_from(count - n).unwrap();
                event(&Uuid::new_v4().to_string(), &at.to_rfc3339(), n)
            })
            .collect();
        self.persist(&events);
        events
    }

    /// A source that begins now, with one file; its jobs are parked, and it has polled once.
    async fn beginning_now(&self, file: &str) -> (SourceId, RouteId) {
        let credential = self.credential().await;
        let new = NewSource {
            display_name: None,
            credential: CredentialChoice::Stored(credential),
            timezone: "UTC".parse().unwrap(),
            refresh: RefreshFrequency::clamped(3600),
            start: Some(Start::Now),
            filter: None,
            keywords: None,
            verify: model::range::Verify::Off,
            destinations: vec![self.file(file).await],
            trace_context: None,
        };
        let made = self.store.create_source(self.tenant, new).await.unwrap();
        let source = SourceId(made.id);
        let route = self.routes(source).await[0];
        self.park(JobKind::Poll, source.0).await;
        self.park(JobKind::Deliver, route.0).await;
        self.poll(source).await;
        (source, route)
    }

    async fn try_backfill(
        &self,
        source: SourceId,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Backfill, StoreError> {
        let new = NewBackfill {
            source,
            since,
            until,
            trace_context: None,
        };
        let made = self.store.create_backfill(self.tenant, new).await;
        self.store.notify_jobs().await.unwrap();
        made
    }

    /// A backfill of the last so many hours.
    async fn backfill(&self, source: SourceId, hours: i64) -> BackfillId {
        let now = self.org().clock().now();
        let made = self.try_backfill(source, now - TimeDelta::hours(hours), now);
        BackfillId(made.await.unwrap().id)
    }

    async fn backfill_now(&self, id: BackfillId) -> Backfill {
        self.store.backfill(self.tenant, id).await.unwrap()
    }

    async fn until_backfill_is(&self, id: BackfillId, state: &str) -> Backfill {
        wait::until("the backfill gets there", PATIENCE, async || {
            let backfill = self.backfill_now(id).await;
            if backfill.shown_state() == state {
                Ok(backfill)
            } else {
                Err((
                    backfill.shown_state().to_owned(),
                    backfill.trouble_detail.clone(),
                ))
            }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_range_is_read_in_chunks_stored_once_and_delivered_after_live_events() {
    let house = House::new().await;
    let worker = house.start();
    let past = house.past(2500, 72);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, route) = house.beginning_now("out.ndjson").await;
    let live = house.fresh(10);
    house.persist(&live);
    house.time.advance(Duration::from_mins(1)).await;
    house.poll(source).await;
    assert_eq!(house.log(source).await.stored, 10, "polling starts now");

    let id = house.backfill(source, 96).await;
    let done = house.until_backfill_is(id, "done").await;

    assert_eq!((done.stored, done.duplicate, done.changed), (2500, 10, 0));
    assert!((done.fraction() - 1.0).abs() < f64::EPSILON && done.seconds_left().is_none());
    assert_eq!(done.done_through, done.until);
    let status = house.status(source).await;
    assert_eq!(status.routes[0].pending, 2510, "both logs count");
    let refused = house.store.delete_source(house.tenant, source, false).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Conflict(Conflict::Undelivered(2510)))
        ),
        "{refused:?}"
    );
    house.deliver(route).await;
    let all: Vec<Vec<u8>> = live.iter().chain(&past).cloned().collect();
    assert_same(&house.lines("out.ndjson"), &all);
    assert_eq!(house.status(source).await.routes[0].pending, 0);
    let sums = house.ledger(source).await;
    assert_eq!(
        (sums.stored, sums.delivered, sums.duplicate),
        (2510, 2510, 10)
    );

    let again = house.backfill(source, 96).await;
    let again = house.until_backfill_is(again, "done").await;
    assert_eq!((again.stored, again.duplicate), (0, 2510));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_in_the_middle_of_a_range_lose_and_repeat_nothing() {
    let house = House::new().await;
    let worker = house.start();
    let past = house.past(6000, 24);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, route) = house.beginning_now("out.ndjson").await;
    let faults = [
        Fault::InternalError.once(),
        Fault::CutBody.once(),
        Fault::RefusedCursor.once(),
        Fault::TruncatedPage.times(2),
        Fault::Html(503).once(),
        Fault::ShortPage(7).times(3),
        Fault::GarbagePage.once(),
        Fault::RefusedCursor.once(),
        Fault::RateLimit.once(),
    ];
    for fault in faults {
        house.org().inject(fault);
    }

    let id = house.backfill(source, 30).await;
    // Backoffs and the window of the 429 pass.
    wait::until("the backfill is done", PATIENCE, async || {
        house.time.advance(Duration::from_secs(20)).await;
        house.store.notify_jobs().await.unwrap();
        let backfill = house.backfill_now(id).await;
        if backfill.state == "done" {
            Ok(())
        } else {
            Err((backfill.state, backfill.trouble_detail))
        }
    })
    .await;

    assert_eq!(house.org().pending_faults(), 0, "each fault was met");
    house.deliver(route).await;
    worker.stop().await;
    let compared = compare(&past, &house.output("out.ndjson"));
    assert!(compared.is_perfect(), "{compared}");
    assert_eq!(compared.delivered, 6000);
    let done = house.backfill_now(id).await;
    assert_eq!((done.stored, done.trouble()), (6000, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_page_without_its_next_link_is_not_the_end_of_a_chunk() {
    let house = House::new().await;
    let worker = house.start();
    house.past(2500, 2);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, _) = house.beginning_now("out").await;
    house.org().inject(Fault::NoNextLink.times(2));

    let id = house.backfill(source, 3).await;
    let done = house.until_backfill_is(id, "done").await;

    assert_eq!(house.org().pending_faults(), 0);
    assert_eq!(done.stored, 2500);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backfill_stops_reading_and_delivers_what_it_has() {
    let house = House::new().await;
    let worker = house.start();
    let past = house.past(3000, 24);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, route) = house.beginning_now("out.ndjson").await;
    // Two requests, then the token's window is used up.
    house.org().set_rate_limits(RateLimits::half_of(4));
    house.time.advance(Duration::from_mins(2)).await;

    let id = house.backfill(source, 25).await;
    let begun = wait::until("some of it is stored", PATIENCE, async || {
        let backfill = house.backfill_now(id).await;
        if backfill.stored > 0 {
            Ok(backfill)
        } else {
            Err(backfill.state)
        }
    })
    .await;
    assert!(begun.is_active() && begun.fraction() < 1.0);
    let cancelled = house.store.cancel_backfill(house.tenant, id).await.unwrap();
    assert_eq!(cancelled.shown_state(), "cancelled");
    house.org().set_rate_limits(RateLimits::half_of(100_000));
    house.time.advance(Duration::from_mins(5)).await;
    wait::until("its job rests", PATIENCE, async || {
        match house.job(JobKind::Backfill, id.0).await.owner {
            None => Ok(()),
            owner => Err(owner),
        }
    })
    .await;

    let kept = house.backfill_now(id).await;
    assert_eq!(kept.state, "cancelled");
    let stored = usize::try_from(kept.stored).unwrap();
    assert!(stored < 3000);
    house.deliver(route).await;
    assert_same(&house.lines("out.ndjson"), &past[..stored]);
    let twice = house.store.cancel_backfill(house.tenant, id).await.unwrap();
    assert_eq!(twice.finished_at, kept.finished_at, "it stays as it is");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_events_overtake_the_events_of_a_backfill() {
    let mut house = House::new().await;
    let scripted = Scripted::taking(100);
    house.destinations = Arc::clone(&scripted) as _;
    let worker = house.start();
    let past = house.past(1000, 24);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, route) = house.beginning_now("out").await;
    let id = house.backfill(source, 25).await;
    house.until_backfill_is(id, "done").await;
    let place = scripted.place("out");
    place.script(|n, _| match n {
        0..3 => Reply::Take,
        _ => Reply::Say(retry(None)),
    });
    house.deliver(route).await;
    let before = place.taken().len();
    assert!(before > 0 && before < 1000, "{before}");

    let live = house.fresh(50);
    house.persist(&live);
    house.poll(source).await;
    place.take();
    house.deliver(route).await;

    let order: Vec<Vec<u8>> = [&past[..before], &live[..], &past[before..]].concat();
    assert_same(&place.taken(), &order);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_makes_a_backfill_wait_and_a_working_one_lets_it_go_on() {
    let house = House::new().await;
    let worker = house.start();
    let past = house.past(100, 24);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, _) = house.beginning_now("out").await;
    house.org().set_token(TOKEN, TokenState::Revoked).unwrap();

    let id = house.backfill(source, 25).await;
    let waiting = house.until_backfill_is(id, "waiting").await;
    assert_eq!(waiting.trouble(), Some(Trouble::TokenRefused));
    let asked = house.log_requests().len();
    house.time.advance(Duration::from_mins(6)).await;
    house.store.notify_jobs().await.unwrap();
    wait::until("it has looked again", PATIENCE, async || {
        let job = house.job(JobKind::Backfill, id.0).await;
        if job.owner.is_none() && job.epoch >= 2 {
            Ok(())
        } else {
            Err(job.epoch)
        }
    })
    .await;
    assert_eq!(
        house.log_requests().len(),
        asked,
        "one refusal is enough: only the slow probe asks"
    );

    house.org().add_token(TOKEN);
    wait::until("it is done", PATIENCE, async || {
        house.time.advance(Duration::from_mins(5)).await;
        house.store.notify_jobs().await.unwrap();
        let backfill = house.backfill_now(id).await;
        if backfill.state == "done" {
            Ok(())
        } else {
            Err(backfill.state)
        }
    })
    .await;
    let stored = usize::try_from(house.backfill_now(id).await.stored).unwrap();
    assert_eq!(stored, past.len());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grows_too_old_in_the_middle_of_a_chunk_is_told_and_the_rest_is_read() {
    let house = House::new().await;
    let worker = house.start();
    let edge = house.org().clock().now() - model::range::KEPT;
    let at = |since: TimeDelta, n: usize| {
        let at = (edge + since).to_rfc3339();
        event(&Uuid::new_v4().to_string(), &at, n)
    };
    let old = (0..3000_usize).map(|n| {
        at(
            TimeDelta::minutes(5) + TimeDelta::seconds(3) * i32::try_from(n).unwrap(),
            n,
        )
    });
    house.persist(&old.collect::<Vec<_>>());
    let rest: Vec<_> = (10..60).map(|n| at(TimeDelta::days(n), 0)).collect();
    house.persist(&rest);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, _) = house.beginning_now("out").await;
    // Two requests, then the token's window is used up, in the middle of a chunk.
    house.org().set_rate_limits(RateLimits::half_of(4));
    house.time.advance(Duration::from_mins(2)).await;
    let id = house.backfill(source, 90 * 24).await;
    let begun = wait::until("its window is used up", PATIENCE, async || {
        let backfill = house.backfill_now(id).await;
        let job = house.job(JobKind::Backfill, id.0).await;
        if backfill.stored > 0 && job.owner.is_none() {
            Ok(backfill)
        } else {
            Err(backfill.state)
        }
    })
    .await;
    assert!(begun.stored < 3000 && begun.chunk_until.is_some());

    house.org().set_rate_limits(RateLimits::half_of(100_000));
    house.time.advance(2 * DAY).await;
    house.store.notify_jobs().await.unwrap();
    let done = house.until_backfill_is(id, "done").await;

    assert_eq!(done.stored, begun.stored + 50, "all that okta still has");
    let unread = TimeDelta::seconds(done.unread_seconds);
    let gone = begun.since + TimeDelta::days(2) - begun.done_through;
    assert!(
        (unread - gone).abs() < TimeDelta::minutes(5),
        "{unread} of {gone}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_at_the_end_of_a_chunk_does_not_end_the_backfill() {
    let house = House::new().await;
    let worker = house.start();
    let past = house.past(48, 48);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, _) = house.beginning_now("out").await;
    let since = house.org().clock().now() - TimeDelta::hours(47);
    let end = (since + TimeDelta::hours(4)).to_rfc3339();
    let last = event(&Uuid::new_v4().to_string(), &end, 0);
    let page = [b"[", &last[..], b"]"].concat();
    house.org().inject(Fault::ShortPage(1).once());
    house.org().inject(Fault::RawPage(page.into()).once());

    let made = house.try_backfill(source, since, since + TimeDelta::hours(46));
    let id = BackfillId(made.await.unwrap().id);
    let done = house.until_backfill_is(id, "done").await;

    assert_eq!(house.org().pending_faults(), 0);
    let stored = usize::try_from(done.stored).unwrap();
    assert!(
        stored > past.len() - 8,
        "only the first chunk was hidden: {stored}"
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_clipped_refused_when_empty_and_limited_in_number() {
    let house = House::new().await;
    let source = house.source(&[]).await;
    let now = house.org().clock().now();
    let days = |n| now - TimeDelta::days(n);
    for (since, until) in [
        (days(1), days(2)),
        (days(200), days(100)),
        (now + TimeDelta::hours(1), now + TimeDelta::hours(2)),
    ] {
        let refused = house.try_backfill(source, since, until).await;
        assert!(matches!(refused, Err(StoreError::Range(_))), "{refused:?}");
    }
    let clipped = house.try_backfill(source, days(400), now + TimeDelta::days(1));
    let clipped = clipped.await.unwrap();
    assert!(clipped.asked_since < clipped.since && clipped.until < clipped.asked_until);
    assert!((clipped.until - clipped.since).num_days() == 89);
    for _ in 0..2 {
        house.try_backfill(source, days(2), days(1)).await.unwrap();
    }
    let fourth = house.try_backfill(source, days(2), days(1)).await;
    assert!(
        matches!(
            fourth,
            Err(StoreError::Conflict(Conflict::TooManyBackfills(3)))
        ),
        "{fourth:?}"
    );
    house
        .store
        .cancel_backfill(house.tenant, BackfillId(clipped.id))
        .await
        .unwrap();
    house.try_backfill(source, days(2), days(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_and_delivered_backfill_leaves_its_history_only() {
    const JANITOR: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);
    let house = House::new().await;
    house.park(JobKind::Janitor, JANITOR).await;
    let worker = house.start();
    house.past(20, 24);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, route) = house.beginning_now("out").await;
    let id = house.backfill(source, 25).await;
    house.until_backfill_is(id, "done").await;
    house.deliver(route).await;
    house.time.advance(9 * DAY).await;
    house.step(JobKind::Janitor, JANITOR).await;

    let count = async |of: &str| {
        let count = format!("SELECT count(*) FROM {of}");
        let row = house.sql.query_one(&count, &[]).await.unwrap();
        row.get::<_, i64>(0)
    };
    assert_eq!(count("route_positions").await, 1, "the live one");
    assert_eq!(count("jobs WHERE kind = 5").await, 0);
    assert_eq!(
        (count("batches").await, count("kept_batches").await),
        (0, 0)
    );
    assert_eq!(house.backfill_now(id).await.stored, 20);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_made_later_gets_the_events_of_backfills_too() {
    let house = House::new().await;
    let worker = house.start();
    let past = house.past(30, 24);
    house.time.advance(Duration::from_mins(1)).await;
    let (source, _) = house.beginning_now("first").await;
    let id = house.backfill(source, 25).await;
    house.until_backfill_is(id, "done").await;

    let second = house.file("second").await;
    let new = store::NewRoute::between(source, second);
    house.store.create_route(house.tenant, new).await.unwrap();
    house.store.notify_jobs().await.unwrap();
    house.until_lines("second", past.len()).await;

    let delivered: HashSet<Vec<u8>> = house.lines("second").into_iter().collect();
    assert_eq!(delivered, past.into_iter().collect());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_waits_for_at_most_one_request_of_a_backfill() {
    let house = House::with(|sim| sim.org.limits = RateLimits::half_of(400)).await;
    house.past(100, 48);
    let worker = house.start();
    let (source, _) = house.beginning_now("out.ndjson").await;
    house.org().inject(Fault::ShortPage(1).until_cleared());
    let id = house.backfill(source, 49).await;
    let bounded = |target: &str| target.contains("until=");
    let asked = async |count: usize| {
        wait::until("the backfill reads", PATIENCE, async || {
            let requests = house.log_requests();
            requests.iter().filter(|one| bounded(&one.target)).count() >= count
        })
        .await;
    };
    for round in 1..=5 {
        asked(round * 8).await;
        let before = house.log_requests().len();
        let job = house.job(JobKind::Poll, source.0).await;
        house.make_due(JobKind::Poll, source.0).await;
        let due = house.log_requests().len();
        house.rested(JobKind::Poll, source.0, job.epoch).await;
        let requests = house.log_requests();
        let live = requests.iter().skip(before);
        let live = live.clone().position(|one| !bounded(&one.target));
        let live = before + live.expect("the poll has asked");
        // One may have been on its way when the poll became due.
        assert!(
            live.saturating_sub(due) <= 1,
            "round {round}: {live} after {due}"
        );
    }
    house.org().clear_faults();
    house.until_backfill_is(id, "done").await;
    worker.stop().await;
}
