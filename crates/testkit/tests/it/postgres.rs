//! Databases for tests.

use std::time::Duration;

use local_postgres::Options;
use testkit::container::SharedContainer;
use testkit::postgres::{OwnCluster, TestDb, connect};
use testkit::wait;

const LIMIT: Duration = Duration::from_secs(30);

const TABLES: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";

#[tokio::test]
async fn a_fresh_database_has_the_migrations_and_their_books() {
    let db = TestDb::new().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let folders = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut expected: Vec<String> = folders
        .filter(|entry| entry.path().join("up.sql").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .map(|name| name.split('_').next().unwrap().replace('-', ""))
        .collect();
    expected.sort_unstable();

    let query = "SELECT version FROM __diesel_schema_migrations ORDER BY version";
    let rows = db.client().await.query(query, &[]).await.unwrap();

    let recorded: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(recorded, expected);
}

#[tokio::test]
async fn an_empty_database_is_empty() {
    let db = TestDb::empty().await;
    let tables: i64 = db
        .client()
        .await
        .query_one(TABLES, &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(tables, 0);
}

#[tokio::test]
async fn databases_are_separate_and_made_at_once() {
    let (one, two) = tokio::join!(TestDb::new(), TestDb::new());
    assert_ne!(one.url(), two.url());

    one.client()
        .await
        .batch_execute("CREATE TABLE only_here ()")
        .await
        .unwrap();

    let seen = "SELECT to_regclass('only_here') IS NULL";
    assert!(
        two.client()
            .await
            .query_one(seen, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
}

#[tokio::test]
async fn a_dropped_database_is_gone_even_with_open_sessions() {
    let (db, other) = (TestDb::empty().await, TestDb::empty().await);
    let session = db.client().await;
    let name = session
        .query_one("SELECT current_database()::text", &[])
        .await
        .unwrap();
    let name: String = name.get(0);

    drop(db);

    let left = "SELECT count(*) FROM pg_database WHERE datname = $1";
    let left: i64 = other
        .client()
        .await
        .query_one(left, &[&name])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
    assert!(session.simple_query("SELECT 1").await.is_err());
}

#[tokio::test]
async fn an_own_cluster_can_crash_and_come_back() {
    let mut own = OwnCluster::start().await;
    own.client()
        .await
        .batch_execute("CREATE TABLE kept AS SELECT 1 AS n")
        .await
        .unwrap();
    let session = own.client().await;

    own.server().stop_immediately().await.unwrap();
    wait::until("the session is cut", LIMIT, async || session.is_closed()).await;
    own.server().start_again().await.unwrap();

    let kept = connect(own.url())
        .await
        .query_one("SELECT n FROM kept", &[])
        .await
        .unwrap();
    assert_eq!(kept.get::<_, i32>(0), 1);
}

#[tokio::test]
#[ignore = "not a test: another starts it in a process of its own"]
async fn make_a_database() {
    let db = TestDb::new().await;
    println!("made {} with {:?}", db.url(), db.client().await);
}

#[tokio::test]
async fn the_server_that_the_variable_names_is_used_and_swept_of_old_leftovers() {
    let own = OwnCluster::start().await;
    let admin = own.client().await;
    let names = "SELECT 't_' || lpad(to_hex(extract(epoch FROM now() - $1::text::interval)::bigint), 8, '0') || 'ffffffff'";
    let name = async |age| -> String { admin.query_one(names, &[&age]).await.unwrap().get(0) };
    let (old, young) = (name("7 hours").await, name("5 hours").await);
    for name in [&old, &young, &"t_of_somebody".to_owned()] {
        admin
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
    }

    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "postgres::make_a_database",
        "--ignored",
        "--nocapture",
    ]);
    command.env("COLLECTOR_TEST_DATABASE_URL", own.url());
    let mut other = testkit::process::Process::start(command);
    let made = other.wait_for_line("made ", LIMIT).await;
    assert!(other.wait(LIMIT).await.success());

    let server = own.url().strip_suffix("collector").unwrap();
    assert!(
        made.contains(&format!("{server}t_")),
        "{made} is not on {server}"
    );
    let left = "SELECT datname::text FROM pg_database WHERE datname LIKE 't\\_%' ORDER BY 1";
    let left = admin.query(left, &[]).await.unwrap();
    let left: Vec<String> = left.iter().map(|row| row.get(0)).collect();
    assert_eq!(left, [young, "t_of_somebody".into()]);
}

#[tokio::test]
async fn a_container_serves_everybody_and_goes_after_its_last_user() {
    let name = format!("okta-collector-tests-{:016x}", rand::random::<u64>());
    let options = Options::default();
    let join = || SharedContainer::join(&name, &options, Duration::from_secs(1));
    let (one, two) = match tokio::join!(join(), join()) {
        (Ok(one), Ok(two)) => (one, two),
        (Err(error), _) if error.contains("failed to list containers") => {
            eprintln!("skipped: no container engine: {error}");
            return;
        }
        failed => panic!("{failed:?}"),
    };
    let url = one.url("postgres");
    assert_eq!(two.url("postgres"), url);
    let born = async |url: &str| -> String {
        let asked = "SELECT system_identifier::text FROM pg_control_system()";
        connect(url)
            .await
            .query_one(asked, &[])
            .await
            .unwrap()
            .get(0)
    };
    let first = born(&url).await;

    // Longer than it lingers: the other user keeps it.
    drop(one);
    let pause = "SELECT pg_sleep(3)";
    connect(&url).await.execute(pause, &[]).await.unwrap();
    assert_eq!(born(&url).await, first);

    drop(two);
    wait::until("the server is gone", LIMIT, async || {
        tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .is_err()
    })
    .await;
    let again = join().await.unwrap();
    assert_ne!(born(&again.url("postgres")).await, first);
}
