//! Leases, drains, crashes and databases that go away.

use std::sync::Arc;
use std::time::Duration;

use model::job::JobKind;
use model::point::{Points, StopAt};
use model::status::{Rung, Trouble};
use okta_sim::Fault;
use testkit::chaos::ChaosProxy;
use testkit::postgres::{OwnCluster, TestDb};
use testkit::wait;

use crate::house::{House, PATIENCE, assert_same, generated};
use crate::scripted::{Reply, Scripted};

async fn asked(house: &House, requests: usize) {
    wait::until("the org has been asked", PATIENCE, async || {
        let seen = house.log_requests().len();
        if seen >= requests { Ok(()) } else { Err(seen) }
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
    let house = House::new().await;
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

    // Another job is under way: the quarantined one waits for its end.
    house.park(JobKind::Poll, source.0).await;
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    house.make_due(JobKind::Poll, other.0).await;
    asked(&house, 1).await;
    house.make_due(JobKind::Poll, source.0).await;
    wait::until("it is leased", PATIENCE, async || {
        house.job(JobKind::Poll, source.0).await.epoch == 2
    })
    .await;
    let released = house.org().clock().now();
    assert_eq!(house.log_requests().len(), 1);
    house.org().clear_faults();
    let job = house.rested(JobKind::Poll, source.0, 1).await;
    assert!(
        house
            .log_requests()
            .iter()
            .skip(1)
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
async fn a_delivery_stops_when_its_lease_may_have_run_out_though_the_database_is_silent() {
    let db = TestDb::new().await;
    let proxy = ChaosProxy::in_front_of(db.url());
    let mut house = House::at(db.url(), &proxy.url_for(db.url()), |_| {}).await;
    let scripted = Scripted::taking(10);
    house.destinations = Arc::clone(&scripted) as _;
    house.config.lease = Duration::from_secs(6);
    let events = generated(10);
    house.persist(&events);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    let place = scripted.place("out.ndjson");
    place.script(|_, _| Reply::Hang);
    house.make_due(JobKind::Deliver, route.0).await;
    wait::until("the delivery is under way", PATIENCE, async || {
        place.sent().len() == 1
    })
    .await;

    proxy.black_hole();
    wait::until("the delivery is given up", PATIENCE, async || {
        place.waiting() == 0
    })
    .await;
    place.take();
    proxy.cut_all();
    proxy.resume();
    house.rested(JobKind::Deliver, route.0, 0).await;
    house.unpark(JobKind::Deliver, route.0).await;
    wait::until("all is delivered", PATIENCE, async || {
        place.taken().len() >= 10
    })
    .await;
    worker.stop().await;
    assert_same(&place.taken(), &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_for_a_while_costs_nothing() {
    let db = TestDb::new().await;
    let proxy = ChaosProxy::in_front_of(db.url());
    let house = House::at(db.url(), &proxy.url_for(db.url()), |_| {}).await;
    let events = generated(30);
    house.persist(&events[..10]);
    let file = house.file("out.ndjson").await;
    let source = house.source(&[file]).await;
    let worker = house.worker();
    let health = worker.health.clone();
    let worker = House::run(worker);
    house.until_lines("out.ndjson", 10).await;
    wait::until("the delivery is settled", PATIENCE, async || {
        house.status(source).await.routes[0].delivered == 10
    })
    .await;

    // In the middle of a poll: its page cannot be stored.
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    house.persist(&events[10..]);
    let before = house.log_requests().len();
    house.unpark(JobKind::Poll, source.0).await;
    asked(&house, before + 1).await;
    proxy.refuse().await;
    house.org().clear_faults();
    wait::until("the worker says so", PATIENCE, async || {
        health.check(Duration::from_millis(300)).is_err()
    })
    .await;
    proxy.resume();
    house.until_lines("out.ndjson", 30).await;
    worker.stop().await;
    assert_same(&house.lines("out.ndjson"), &events);
    let sums = house.ledger(source).await;
    assert_eq!((sums.stored, sums.delivered), (30, 30));
    assert_eq!(house.status(source).await.polling.rung(), Rung::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_and_started_loses_nothing() {
    let mut cluster = OwnCluster::start().await;
    let url = cluster.url().to_owned();
    let mut house = House::at(&url, &url, |_| {}).await;
    let events = generated(40);
    house.persist(&events[..20]);
    house.org().inject(Fault::ShortPage(1).until_cleared());
    let file = house.file("out.ndjson").await;
    let source = house.source(&[file]).await;
    let worker = house.start();
    // In mid-run, wherever that is.
    house.until_lines("out.ndjson", 5).await;
    cluster.server().stop_immediately().await.unwrap();
    house.persist(&events[20..]);
    cluster.server().start_again().await.unwrap();
    house.sql = cluster.client().await;
    let due = house.store.run_now(house.tenant, JobKind::Poll, source.0);
    due.await.unwrap();
    // What was on its way at the crash comes twice, so lines are no measure.
    wait::until("all is stored and delivered", PATIENCE, async || {
        let status = house.status(source).await;
        (status.polling.stored, status.routes[0].pending) == (40, 0)
    })
    .await;
    worker.stop().await;

    let compared = testkit::ledger::compare(&events, &house.output("out.ndjson"));
    assert!(compared.is_complete(), "{compared}");
    let sums = house.ledger(source).await;
    assert_eq!((sums.stored, sums.delivered), (40, 40));
}
