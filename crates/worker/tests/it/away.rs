//! Databases that go away: refused, silent, stopped in mid-run.

use std::sync::Arc;
use std::time::Duration;

use model::job::JobKind;
use model::status::Rung;
use okta_sim::Fault;
use testkit::chaos::ChaosProxy;
use testkit::postgres::{OwnCluster, TestDb};
use testkit::wait;

use crate::house::{House, PATIENCE, assert_same, generated};
use crate::runner::asked;
use crate::scripted::{Reply, Scripted};

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
    // Sooner than the longest wait for an answer.
    wait::until("the delivery is given up", PATIENCE / 2, async || {
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

/// As after a failover to a server that only answers questions.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_sees_jobs_but_cannot_lease_them_is_not_healthy() {
    let house = House::new().await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN RAISE 'read-only'; END $$; \
                  CREATE TRIGGER refuse BEFORE UPDATE ON job_schedule FOR EACH ROW \
                  WHEN (NEW.owner IS NOT NULL) EXECUTE FUNCTION refuse()";
    house.sql.batch_execute(refuse).await.unwrap();
    house.source(&[]).await;
    let worker = house.worker();
    let health = worker.health.clone();
    let worker = House::run(worker);
    wait::until("it says why", PATIENCE, async || {
        let said = health.check(Duration::from_secs(1));
        said.err().filter(|why| why.contains("cannot lease jobs"))
    })
    .await;

    let allow = "DROP TRIGGER refuse ON job_schedule";
    house.sql.batch_execute(allow).await.unwrap();
    wait::until("it leases", PATIENCE, async || {
        health.check(Duration::from_secs(1)).is_ok()
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_although_the_database_is_silent() {
    let db = TestDb::new().await;
    let proxy = ChaosProxy::in_front_of(db.url());
    let mut house = House::at(db.url(), &proxy.url_for(db.url()), |_| {}).await;
    house.config.drain = Duration::from_millis(100);
    house.persist(&generated(10));
    let (source, _) = house.parked().await;
    house.org().inject(Fault::HungBeforeHeaders.until_cleared());
    let worker = house.worker();
    let health = worker.health.clone();
    let worker = House::run(worker);
    house.make_due(JobKind::Poll, source.0).await;
    asked(&house, 1).await;
    proxy.black_hole();
    wait::until("it waits for an answer", PATIENCE, async || {
        health.check(Duration::from_secs(1)).is_err()
    })
    .await;
    // Far less than the lease, whose end gives the job to others.
    let ended = tokio::time::timeout(house.config.lease / 2, worker.stop()).await;
    assert!(
        ended.is_ok(),
        "it waits for a database that does not answer"
    );
    proxy.resume();
}
