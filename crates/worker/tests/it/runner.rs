//! Leases, drains, panics, quarantine and wake-ups.

use std::time::Duration;

use model::ids::SourceId;
use model::job::JobKind;
use model::point::{Points, StopAt};
use model::status::{Rung, Trouble};
use okta_sim::Fault;
use testkit::wait;

use crate::house::{House, PATIENCE, assert_same, generated};

pub(crate) async fn asked(house: &House, requests: usize) {
    wait::until("the org has been asked", PATIENCE, async || {
        let seen = house.log_requests().len();
        if seen >= requests { Ok(()) } else { Err(seen) }
    })
    .await;
}

/// Waits until the lease of a poll has been renewed by so many seconds, which takes as long.
async fn renewed(house: &House, source: SourceId, by: f64) {
    let before = house.job(JobKind::Poll, source.0).await.until;
    wait::until("the lease is renewed", PATIENCE, async || {
        house.job(JobKind::Poll, source.0).await.until > before + by
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_run_a_job_made_due_once_exactly_once() {
    let house = House::new().await;
    let source = house.source(&[]).await;
    house.park(JobKind::Poll, source.0).await;
    let (one, two) = (house.start(), house.start());
    for round in 1..=25 {
        // That the epoch has grown by one is asserted with each step.
        house.poll(source).await;
        assert_eq!(house.log_requests().len(), round);
    }
    one.stop().await;
    two.stop().await;
    assert_eq!(house.log_requests().len(), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_contained_and_its_job_backed_off() {
    let house = House::new().await;
    let events = generated(10);
    house.persist(&events);
    let (source, route) = house.parked().await;
    let mut worker = house.worker();
    let at: StopAt = "fetched".parse().unwrap();
    let points = Points::armed(at, |point| panic!("at {point}, as the test says"));
    worker.store = worker.store.with_points(points);
    let worker = House::run(worker);

    let job = house.poll(source).await;
    assert!(job.waits(&(0.5..=1.0)) && job.attempt == 1, "{job:?}");
    assert_eq!(house.log(source).await.stored, 0);
    // The same worker goes on.
    let job = house.poll(source).await;
    assert_eq!(job.attempt, 0);
    house.deliver(route).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_finishes_its_work_and_leases_nothing_more() {
    let house = House::new().await;
    let events = generated(10);
    house.persist(&events);
    let (source, route) = house.parked().await;
    house.org().inject(Fault::HungBody.once());
    let worker = house.start();
    house.make_due(JobKind::Poll, source.0).await;
    asked(&house, 1).await;
    worker.tell();
    house.make_due(JobKind::Deliver, route.0).await;
    house.org().clear_faults();
    worker.stop().await;

    assert_eq!(
        house.log(source).await.stored,
        10,
        "the page under way is stored"
    );
    let poll = house.job(JobKind::Poll, source.0).await;
    assert_eq!((poll.owner, poll.attempt, poll.epoch), (None, 0, 1));
    assert!(poll.due_in() <= 0.1, "it may go on elsewhere: {poll:?}");
    assert_eq!(house.job(JobKind::Deliver, route.0).await.epoch, 0);
    assert_eq!(house.lines("out.ndjson").len(), 0);
    let alive: i64 = house
        .sql
        .query_one("SELECT count(*) FROM workers", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(alive, 0, "it has signed off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_drains_half_way_is_due_at_once_for_others() {
    let house = House::new().await;
    let events = generated(12);
    house.persist(&events);
    let (source, route) = house.parked().await;
    house.org().inject(Fault::ShortPage(4).until_cleared());
    house
        .org()
        .inject(Fault::HungBody.until_cleared().page_with(4));
    let worker = house.start();
    house.make_due(JobKind::Poll, source.0).await;
    asked(&house, 2).await;
    worker.tell();
    house.org().clear_faults();
    worker.stop().await;
    let job = house.job(JobKind::Poll, source.0).await;
    assert!(job.is_given_back(), "{job:?}");

    let worker = house.start();
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_broken_off_after_the_drain_and_given_back() {
    let mut house = House::new().await;
    house.config.drain = Duration::from_millis(100);
    house.persist(&generated(10));
    let (source, _) = house.parked().await;
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    let worker = house.start();
    house.make_due(JobKind::Poll, source.0).await;
    asked(&house, 1).await;
    worker.stop().await;
    let job = house.job(JobKind::Poll, source.0).await;
    assert!(job.epoch == 1 && job.is_given_back(), "{job:?}");
    assert_eq!(house.log(source).await.failures, 0);
    assert_eq!(house.status(source).await.polling.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_lost_its_worker_five_times_waits_and_then_runs_alone() {
    let mut house = House::new().await;
    house.config.lease = Duration::from_secs(4);
    house.persist(&generated(10));
    let other = house.source(&[]).await;
    house.park(JobKind::Poll, other.0).await;
    let (source, _) = house.parked().await;
    let lost =
        "owner = 77, lost = 4, paused = false, run_at = collector_now() - interval '1 second'";
    house.schedule(JobKind::Poll, source.0, lost).await;
    let worker = house.start();
    let job = house.rested(JobKind::Poll, source.0, 0).await;
    assert_eq!((job.epoch, job.lost), (1, 5));
    assert!(job.waits(&(10.0..=30.0)), "{job:?}");
    let status = house.status(source).await.polling;
    let shown = status.trouble().map(|(trouble, _)| trouble);
    assert_eq!(
        (shown, status.rung()),
        (Some(Trouble::JobQuarantined), Rung::ActionNeeded)
    );
    assert_eq!(house.log_requests().len(), 0, "it has not run");

    // Another job is under way: the quarantined one waits for its end, and for nothing else: the
    // window of their token is known.
    house.park(JobKind::Poll, source.0).await;
    house.poll(other).await;
    let before = house.log_requests().len();
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    house.make_due(JobKind::Poll, other.0).await;
    asked(&house, before + 1).await;
    house.make_due(JobKind::Poll, source.0).await;
    wait::until("it is leased", PATIENCE, async || {
        house.job(JobKind::Poll, source.0).await.epoch == 2
    })
    .await;
    // Long enough to ask, if it could.
    renewed(&house, source, 1.0).await;
    let released = house.org().clock().now();
    assert_eq!(house.log_requests().len(), before + 1);
    house.org().clear_faults();
    let job = house.rested(JobKind::Poll, source.0, 1).await;
    assert!(
        house
            .log_requests()
            .iter()
            .skip(before + 1)
            .all(|request| request.at >= released)
    );
    assert_eq!(
        (job.lost, job.attempt),
        (0, 0),
        "a run that does not fail leads out"
    );
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
    assert_eq!(house.log(source).await.stored, 10);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_wakes_a_worker_that_looks_once_an_hour() {
    let mut house = House::new().await;
    house.config.look = Duration::from_hours(1);
    let worker = house.worker();
    let health = worker.health.clone();
    let worker = House::run(worker);
    wait::until("it has looked", PATIENCE, async || health.check(PATIENCE)).await;
    let source = house.source(&[]).await;
    // As often as it takes: a hint before it listens is for nobody, and it looks when it begins to.
    wait::until("the source is polled", PATIENCE, async || {
        house.store.notify_jobs().await.unwrap();
        house.log(source).await.last_success_at
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_follows_each_page_without_a_look() {
    let mut house = House::new().await;
    house.config.look = Duration::from_hours(1);
    let events = generated(60);
    house.persist(&events);
    house.org().inject(Fault::ShortPage(1).until_cleared());
    let file = house.file("out.ndjson").await;
    house.source(&[file]).await;
    let worker = house.start();
    house.until_lines("out.ndjson", 60).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_longer_than_its_lease_keeps_it() {
    let mut house = House::new().await;
    house.config.lease = Duration::from_secs(4);
    house.persist(&generated(10));
    let (source, _) = house.parked().await;
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    let (one, two) = (house.start(), house.start());
    house.make_due(JobKind::Poll, source.0).await;
    asked(&house, 1).await;
    renewed(&house, source, house.config.lease.as_secs_f64()).await;
    house.org().clear_faults();
    let job = house.rested(JobKind::Poll, source.0, 0).await;
    assert_eq!((job.epoch, job.attempt), (1, 0), "{job:?}");
    assert_eq!(house.log(source).await.stored, 10);
    one.stop().await;
    two.stop().await;
}
