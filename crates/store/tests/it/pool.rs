//! The pool when the database goes and comes.

use std::time::{Duration, Instant};

use store::{Store, StoreConfig, StoreError};
use testkit::chaos::ChaosProxy;
use testkit::postgres::{OwnCluster, TestDb};
use testkit::wait::until;

use crate::common::{House, MINUTE, key_ring, store_at};

fn impatient(url: &str) -> Store {
    let config = StoreConfig {
        connections: 2,
        wait: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
        ..StoreConfig::new(url)
    };
    Store::new(&config, key_ring()).unwrap()
}

async fn ask(store: &Store) -> Result<(), StoreError> {
    store.lanes().await.map(drop)
}

fn assert_passing(result: Result<(), StoreError>) {
    let error = result.expect_err("the database is away");
    assert!(error.is_passing(), "{error:?}");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_restarted_database_is_a_passing_trouble() {
    let mut cluster = OwnCluster::start().await;
    let store = impatient(cluster.url());
    ask(&store).await.unwrap();

    cluster.server().stop_immediately().await.unwrap();
    for _ in 0..3 {
        assert_passing(ask(&store).await);
    }
    cluster.server().start_again().await.unwrap();

    until("it answers again", MINUTE, async || {
        match ask(&store).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn ended_sessions_are_replaced() {
    let house = House::new().await;
    ask(&house.store).await.unwrap();
    house.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").await;
    until("it answers again", MINUTE, async || {
        match ask(&house.store).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => panic!("{error:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_that_ends_in_a_transaction_is_a_passing_trouble() {
    let house = House::new().await;
    let mut holder = house.client().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE destinations").await.unwrap();
    let waiting = tokio::spawn({
        let house = house.clone();
        async move {
            let id = model::ids::DestinationId(uuid::Uuid::nil());
            house.store.delete_destination(house.tenant, id).await
        }
    });
    let kill = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("it waits, and is killed", MINUTE, async || {
        house.truth(kill).await
    })
    .await;
    assert_passing(waiting.await.unwrap());
    lock.rollback().await.unwrap();
    ask(&house.store).await.unwrap();
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_passing() {
    let db = TestDb::new().await;
    let store = impatient(db.url());
    let mut holder = db.client().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE job_lanes").await.unwrap();

    let begun = Instant::now();
    assert_passing(ask(&store).await);
    assert!(begun.elapsed() < MINUTE / 2);

    lock.rollback().await.unwrap();
    ask(&store).await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_a_passing_trouble() {
    let db = TestDb::new().await;
    let proxy = ChaosProxy::in_front_of(db.url());
    let store = impatient(&proxy.url_for(db.url()));
    ask(&store).await.unwrap();
    for _ in 0..2 {
        proxy.refuse().await;
        assert_passing(ask(&store).await);
        proxy.resume();
        until("it answers again", MINUTE, async || ask(&store).await).await;
        proxy.cut_all();
        until("it answers again", MINUTE, async || ask(&store).await).await;
    }
}

#[tokio::test]
async fn a_silent_network_does_not_hold_a_caller_for_ever() {
    let db = TestDb::new().await;
    let proxy = ChaosProxy::in_front_of(db.url());
    let store = impatient(&proxy.url_for(db.url()));
    ask(&store).await.unwrap();
    proxy.black_hole();
    let asked = tokio::time::timeout(MINUTE / 2, ask(&store)).await;
    assert_passing(asked.expect("an answer in time"));
    proxy.resume();
    until("it answers again", MINUTE, async || ask(&store).await).await;
}

#[tokio::test]
async fn all_connections_in_use_is_a_passing_trouble() {
    let db = TestDb::new().await;
    let store = impatient(db.url());
    let mut holder = db.client().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE job_lanes").await.unwrap();
    let asks = futures_util::future::join_all((0..5).map(|_| ask(&store))).await;
    for asked in asks {
        assert_passing(asked);
    }
    assert_eq!(store.connections().2, 2);
}

#[tokio::test]
async fn a_primary_that_has_become_a_replica_is_a_passing_trouble() {
    let db = TestDb::new().await;
    let store = store_at(db.url(), key_ring());
    let name = "SELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database())";
    let alter: String = db.client().await.query_one(name, &[]).await.unwrap().get(0);
    db.client().await.batch_execute(&alter).await.unwrap();
    assert_passing(store.worker_gone(1).await);
}

#[tokio::test]
async fn an_unusable_url_is_said_at_once_and_without_the_password() {
    let config = StoreConfig::new("postgres://user:secret@host:notaport/db");
    let error = Store::new(&config, key_ring()).unwrap_err().to_string();
    assert!(error.contains("the database URL cannot be read"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let shown = format!("{config:?}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn a_hint_reaches_a_listener_and_a_cut_one_says_so() {
    let house = House::new().await;
    let mut listener = house.store.listen_jobs().await.unwrap();
    house.store.notify_jobs().await.unwrap();
    tokio::time::timeout(MINUTE, listener.next())
        .await
        .unwrap()
        .unwrap();
    house.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").await;
    let cut = tokio::time::timeout(MINUTE, listener.next()).await.unwrap();
    assert!(cut.unwrap_err().is_passing());
}
