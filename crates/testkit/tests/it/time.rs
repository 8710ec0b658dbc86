//! Moving time.

use std::time::Duration;

use okta_sim::SimClock;
use testkit::postgres::TestDb;
use testkit::time::Time;
use tokio_postgres::Client;

const DAY: Duration = Duration::from_hours(24);

/// What the migrations make for production.
const PRODUCTION: &str = "
    CREATE FUNCTION collector_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
        AS 'SELECT now()';
    CREATE FUNCTION collector_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
        AS 'SELECT clock_timestamp()';";

async fn seconds_ahead(client: &Client, function: &str) -> f64 {
    let query = format!("SELECT extract(epoch FROM {function}() - clock_timestamp())::float8");
    client
        .query_one(&query, &[])
        .await
        .expect("the function exists")
        .get(0)
}

#[tokio::test]
async fn both_functions_move_by_exactly_what_the_test_says() {
    let db = TestDb::empty().await;
    let client = db.client().await;
    client.batch_execute(PRODUCTION).await.unwrap();
    // A zone whose days are not all of 24 hours.
    client
        .batch_execute("SET timezone = 'Europe/Berlin'")
        .await
        .unwrap();
    let time = Time::install(db.url(), None).await;
    assert!(seconds_ahead(&client, "collector_now").await.abs() < 1.0);

    time.advance(200 * DAY).await;
    time.advance(Duration::from_millis(1_500)).await;

    let expected = (200 * DAY).as_secs_f64() + 1.5;
    for function in ["collector_now", "collector_clock"] {
        let ahead = seconds_ahead(&client, function).await;
        assert!(
            (ahead - expected).abs() < 1.0,
            "{function}: {ahead} instead of {expected}"
        );
    }
}

#[tokio::test]
async fn the_simulator_moves_along() {
    let db = TestDb::empty().await;
    let clock = SimClock::new();
    let time = Time::install(db.url(), Some(clock.clone())).await;
    let before = clock.now();

    time.advance(10 * DAY).await;

    let moved = (clock.now() - before).to_std().unwrap();
    assert!(
        moved >= 10 * DAY && moved < 10 * DAY + Duration::from_mins(1),
        "{moved:?}"
    );
}

#[tokio::test]
async fn a_statement_prepared_before_follows() {
    let db = TestDb::empty().await;
    let client = db.client().await;
    client.batch_execute(PRODUCTION).await.unwrap();
    let query = "SELECT collector_now() > clock_timestamp() + interval '1 hour'";
    let prepared = client.prepare(query).await.unwrap();
    for _ in 0..6 {
        // After five runs the server keeps one plan, with the old function inlined.
        assert!(
            !client
                .query_one(&prepared, &[])
                .await
                .unwrap()
                .get::<_, bool>(0)
        );
    }

    Time::install(db.url(), None).await.advance(DAY).await;

    assert!(
        client
            .query_one(&prepared, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
}

#[tokio::test]
async fn what_is_due_is_still_found_through_the_index() {
    let db = TestDb::empty().await;
    let client = db.client().await;
    client.batch_execute(PRODUCTION).await.unwrap();
    let table = "CREATE TABLE scratch (run_at timestamptz NOT NULL);
        INSERT INTO scratch SELECT now() + n * interval '1 minute' FROM generate_series(1, 20000) n;
        CREATE INDEX scratch_run_at ON scratch (run_at);
        ANALYZE scratch";
    client.batch_execute(table).await.unwrap();
    let time = Time::install(db.url(), None).await;
    time.advance(Duration::from_mins(10)).await;
    let due = "FROM scratch WHERE run_at <= collector_now()";

    let plan = client
        .query(&format!("EXPLAIN SELECT run_at {due}"), &[])
        .await
        .unwrap();

    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    assert!(
        plan.join("\n")
            .contains("Index Cond: (run_at <= collector_now())"),
        "{plan:#?}"
    );
    let count = client
        .query_one(&format!("SELECT count(*) {due}"), &[])
        .await
        .unwrap();
    assert!((9..=10).contains(&count.get::<_, i64>(0)));
}
