//! Migrations: up, down, up; several at once; what a wrong schema is told.

use store::StoreError;
use testkit::postgres::TestDb;
use tokio_postgres::Client;

use crate::common::{key_ring, store_at};

/// Everything that the migrations make, as text.
async fn shape(client: &Client) -> Vec<String> {
    let query = "
        SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
            FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ '_[0-9]{8}$'
        UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ '_[0-9]{8}$'
        UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text !~ '_[0-9]{8}$'
        UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        ORDER BY 1";
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn up_down_up_leaves_the_same_schema() {
    let db = TestDb::empty().await;
    let store = store_at(db.url(), key_ring());
    let client = db.client().await;

    let up = store.migrate().await.unwrap().applied;
    assert!(up.len() >= 6 && up.is_sorted(), "{up:?}");
    let first = shape(&client).await;
    assert!(store.migrate().await.unwrap().applied.is_empty());

    let mut down = store.migrate_down().await.unwrap().applied;
    down.reverse();
    assert_eq!(down, up);
    let left: Vec<String> = shape(&client).await;
    let ours = left
        .iter()
        .filter(|line| !line.contains("__diesel_schema_migrations"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);

    assert_eq!(store.migrate().await.unwrap().applied, up);
    assert_eq!(shape(&client).await, first);
}

#[tokio::test]
async fn migrating_makes_the_partitions_of_the_week() {
    let db = TestDb::empty().await;
    store_at(db.url(), key_ring()).migrate().await.unwrap();
    for parent in ["batches", "batch_ids"] {
        let query = format!(
            "SELECT relid::text FROM pg_partition_tree('{parent}') WHERE isleaf ORDER BY 1"
        );
        let days = db.client().await.query(&query, &[]).await.unwrap();
        assert_eq!(days.len(), 8, "{parent}");
    }
}

#[tokio::test]
async fn several_may_migrate_at_once_and_one_does() {
    let db = TestDb::empty().await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        let store = store_at(db.url(), key_ring());
        runs.push(tokio::spawn(async move { store.migrate().await }));
    }
    let mut applied = Vec::new();
    for run in runs {
        applied.push(run.await.unwrap().unwrap().applied.len());
    }
    applied.sort_unstable();
    assert_eq!(applied[..3], [0, 0, 0], "{applied:?}");
    assert!(applied[3] >= 6);
    store_at(db.url(), key_ring()).check_schema().await.unwrap();
}

#[tokio::test]
async fn another_schema_than_ours_is_named() {
    let db = TestDb::empty().await;
    let store = store_at(db.url(), key_ring());
    let newest = {
        let error = store.check_schema().await.unwrap_err();
        let StoreError::Schema { found, needed } = &error else {
            panic!("{error}")
        };
        assert_eq!(found, "empty");
        let told = format!(
            "the database schema is empty, this program needs {needed}; run `okta-collector migrate` of the right version"
        );
        assert_eq!(error.to_string(), told);
        needed.clone()
    };
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();

    let books = "__diesel_schema_migrations";
    let before = format!("SELECT max(version)::text FROM {books} WHERE version < '{newest}'");
    let before: String = db
        .client()
        .await
        .query_one(&before, &[])
        .await
        .unwrap()
        .get(0);
    for (change, found) in [
        (
            format!("INSERT INTO {books} (version) VALUES ('29990101000000')"),
            "29990101000000".to_owned(),
        ),
        (
            format!("DELETE FROM {books} WHERE version IN ('29990101000000', '{newest}')"),
            before,
        ),
        (
            format!(
                "INSERT INTO {books} (version) VALUES ('{newest}'); DELETE FROM {books} WHERE version = '20261122000003'"
            ),
            format!("{newest} without 20261122000003"),
        ),
    ] {
        db.client().await.batch_execute(&change).await.unwrap();
        let error = store.check_schema().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!(
                "the database schema is {found}, this program needs {newest};"
            )),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_failed_migration_is_reported_and_leaves_whole_ones() {
    let db = TestDb::empty().await;
    // In the way of the third.
    db.client()
        .await
        .batch_execute("CREATE TABLE jobs ()")
        .await
        .unwrap();
    let store = store_at(db.url(), key_ring());
    let error = store.migrate().await.unwrap_err().to_string();
    assert!(error.contains("\"jobs\" already exists"), "{error}");
    assert!(
        store
            .check_schema()
            .await
            .unwrap_err()
            .to_string()
            .contains("is 20261122000002,")
    );

    db.client()
        .await
        .batch_execute("DROP TABLE jobs")
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.check_schema().await.unwrap();
}
