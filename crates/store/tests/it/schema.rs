//! The schema: as Diesel sees it, and what must hold for every table.

use std::collections::{BTreeMap, BTreeSet};

use testkit::postgres::TestDb;
use tokio_postgres::Client;

/// Tables that only SQL text speaks of; all others are in `src/schema.rs`.
const SQL_ONLY: [&str; 10] = [
    "batches",
    "kept_batches",
    "batch_ids",
    "budgets",
    "org_blocks",
    "credential_rotations",
    "jobs",
    "job_lanes",
    "job_schedule",
    "workers",
];

/// Not of a tenant: the tenants themselves, and what the installation shares.
const SHARED: [&str; 3] = ["tenants", "workers", "job_schedule"];

async fn lines(client: &Client, query: &str) -> Vec<String> {
    let rows = client.query(query, &[]).await;
    let rows = rows.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

type Columns = BTreeMap<String, BTreeMap<String, String>>;

/// Reads `table! { name (key) { column -> Type, .. } }`.
fn of_diesel() -> Columns {
    let text = include_str!("../../src/schema.rs");
    let mut tables = Columns::new();
    for table in text.split("diesel::table!").skip(1) {
        let mut parts = table.splitn(3, '{');
        let name = parts.nth(1).unwrap().split('(').next().unwrap().trim();
        let body = parts.next().unwrap().split('}').next().unwrap();
        let columns = body.split(',').filter_map(|column| {
            let (name, kind) = column.split_once("->")?;
            Some((name.trim().to_owned(), kind.trim().to_owned()))
        });
        tables.insert(name.to_owned(), columns.collect());
    }
    tables
}

async fn of_database(client: &Client) -> Columns {
    let query = "SELECT table_name || ' ' || column_name || ' ' || is_nullable || ' ' || udt_name
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name !~ '_[0-9]{8}$' AND table_name <> '__diesel_schema_migrations'";
    let mut tables = Columns::new();
    for line in lines(client, query).await {
        let mut words = line.splitn(4, ' ').map(str::to_owned);
        let (table, column) = (words.next().unwrap(), words.next().unwrap());
        let nullable = words.next().unwrap() == "YES";
        let kind = match words.next().unwrap().as_str() {
            "uuid" => "Uuid",
            "text" => "Text",
            "bytea" => "Bytea",
            "bool" => "Bool",
            "int2" => "Int2",
            "int4" => "Int4",
            "int8" => "Int8",
            "float4" => "Float4",
            "date" => "Date",
            "jsonb" => "Jsonb",
            "timestamptz" => "Timestamptz",
            "_int4" => "Array<Int4>",
            other => panic!("{table}.{column}: {other}"),
        };
        let kind = if nullable {
            format!("Nullable<{kind}>")
        } else {
            kind.to_owned()
        };
        tables.entry(table).or_default().insert(column, kind);
    }
    tables
}

#[tokio::test]
async fn diesel_sees_the_tables_as_they_are() {
    let db = TestDb::new().await;
    let mut database = of_database(&db.client().await).await;
    for table in SQL_ONLY {
        assert!(database.remove(table).is_some(), "{table}");
    }
    let diesel = of_diesel();
    assert!(diesel.len() >= 12, "the reading of schema.rs is broken");
    assert_eq!(diesel, database);
}

#[tokio::test]
async fn every_foreign_key_has_an_index_on_its_columns() {
    let db = TestDb::new().await;
    // Some index must begin with exactly the referencing columns, in any order.
    let query =
        "SELECT c.conrelid::regclass || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
        WHERE c.contype = 'f' AND c.conparentid = 0 AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL
            AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
            AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] <@ c.conkey)";
    assert_eq!(lines(&db.client().await, query).await, [""; 0]);
}

#[tokio::test]
async fn every_table_of_tenants_has_the_tenant_in_a_unique_key() {
    let db = TestDb::new().await;
    let client = db.client().await;
    let with_tenant = "SELECT DISTINCT i.indrelid::regclass::text FROM pg_index i JOIN pg_attribute a
        ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indisunique AND a.attname = 'tenant_id'";
    let with_tenant: BTreeSet<String> = lines(&client, with_tenant).await.into_iter().collect();
    let without: Vec<String> = of_database(&client)
        .await
        .into_keys()
        .filter(|table| !with_tenant.contains(table) && !SHARED.contains(&table.as_str()))
        .collect();
    // Jobs are numbered over all tenants; their subjects are unique.
    assert_eq!(without, ["jobs"]);
}

#[tokio::test]
async fn references_between_rows_of_tenants_carry_the_tenant() {
    let db = TestDb::new().await;
    let query = "SELECT c.conrelid::regclass || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
        WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid::regclass::text NOT IN ('tenants', 'jobs', 'job_lanes')
        AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey) AND a.attname = 'tenant_id')";
    assert_eq!(lines(&db.client().await, query).await, [""; 0]);
}

#[tokio::test]
async fn time_in_defaults_comes_from_the_collectors_clock() {
    let db = TestDb::new().await;
    let query = "SELECT table_name || '.' || column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> '__diesel_schema_migrations'
        AND column_default ~* '(^|[^_])(now\\(|clock_timestamp|current_|localtime)'";
    assert_eq!(lines(&db.client().await, query).await, [""; 0]);
}

const A: &str = "00000000-0000-7000-8000-00000000000a";
const B: &str = "00000000-0000-7000-8000-00000000000b";

/// A credential, a source, a log, a destination, a route and a position of tenant A; an empty tenant B.
const ROWS: &str = "
    INSERT INTO tenants (id, name) VALUES ('$A', 'a'), ('$B', 'b');
    INSERT INTO credentials (tenant_id, id, name, kind, origin, seal_kek, seal_dek, seal_body, secret_version, fingerprint)
        VALUES ('$A', '$A', 'c', 'ssws', 'https://a', 'k', '', '', 1, '0123456789abcdef');
    INSERT INTO sources (tenant_id, id, display_name, credential_id, timezone, refresh_seconds) VALUES ('$A', '$A', 's', '$A', 'UTC', 60);
    INSERT INTO logs (tenant_id, id, source_id, day, first_day) VALUES ('$A', '$A', '$A', '2026-01-01', '2026-01-01');
    INSERT INTO destinations (tenant_id, id, name, kind, config) VALUES ('$A', '$A', 'd', 'file', '{}');
    INSERT INTO routes (tenant_id, id, source_id, destination_id) VALUES ('$A', '$A', '$A', '$A');
    INSERT INTO route_positions (tenant_id, route_id, log_id, day, number) VALUES ('$A', '$A', '$A', '2026-01-01', 1);
    SELECT collector_make_partitions('2026-01-01', 1);";

#[tokio::test]
async fn what_must_not_be_is_refused() {
    let db = TestDb::new().await;
    let client = db.client().await;
    let fill = |sql: &str| sql.replace("$A", A).replace("$B", B);
    client.batch_execute(&fill(ROWS)).await.unwrap();
    for wrong in [
        "UPDATE tenants SET name = ''",
        "UPDATE credentials SET kind = 'password'",
        "UPDATE credentials SET state = 'rejected'",
        "UPDATE credentials SET trouble = 'token_refused'",
        "UPDATE credentials SET fingerprint = 'short'",
        "UPDATE credentials SET secret_version = 0",
        "UPDATE sources SET refresh_seconds = 9",
        "UPDATE sources SET refresh_seconds = 2592001",
        "UPDATE sources SET display_name = ''",
        "UPDATE logs SET next_number = 0",
        "UPDATE logs SET kind = 'dead'",
        "UPDATE routes SET format = 'yaml'",
        "UPDATE route_positions SET index = -1",
        "UPDATE route_positions SET flight_number = 1",
        "UPDATE job_lanes SET quantum = 0",
        "UPDATE destinations SET kind = 'carrier-pigeon'",
        // A second live log, lane or route of the same kind.
        "INSERT INTO logs (tenant_id, source_id, day, first_day) VALUES ('$A', '$A', '2026-01-01', '2026-01-01')",
        "INSERT INTO job_lanes (tenant_id, kind) VALUES (NULL, 4)",
        "INSERT INTO routes (tenant_id, source_id, destination_id) VALUES ('$A', '$A', '$A')",
        // Rows that point into another tenant.
        "INSERT INTO sources (tenant_id, display_name, credential_id, timezone, refresh_seconds) VALUES ('$B', 's', '$A', 'UTC', 60)",
        "INSERT INTO logs (tenant_id, source_id, day, first_day) VALUES ('$B', '$A', '2026-01-01', '2026-01-01')",
        "INSERT INTO routes (tenant_id, source_id, destination_id) VALUES ('$B', '$A', '$A')",
        // Batches and their ids.
        "INSERT INTO batches VALUES ('$A', '$A', '2026-01-01', 1, 0, NULL, NULL, now(), 'poll', 1, '{}', '')",
        "INSERT INTO batches VALUES ('$A', '$A', '2026-01-02', 1, 1, NULL, NULL, now(), 'poll', 1, '{}', '')",
        "INSERT INTO batches VALUES ('$B', '$A', '2026-01-01', 1, 1, NULL, NULL, now(), 'poll', 1, '{}', '')",
        "INSERT INTO batch_ids VALUES ('$A', '$A', '2026-01-01', '$A', 1, 'undated', NULL, NULL, '')",
        "INSERT INTO batch_ids VALUES ('$A', '$A', '2026-01-01', '$A', 1, 'undated', NULL, NULL, 'not of 24 bytes')",
        "INSERT INTO batch_ids VALUES ('$A', '$A', '2026-01-01', '$A', 1, 'dated', NULL, NULL, '0123456789abcdef01234567')",
        "INSERT INTO batch_ids VALUES ('$A', '$A', '2026-01-01', '$A', 1, 'undated', now(), now(), '0123456789abcdef01234567')",
        // What is in use.
        "DELETE FROM credentials",
        "DELETE FROM destinations",
    ] {
        let done = client.batch_execute(&fill(wrong)).await;
        let error = done.expect_err(wrong);
        let code = error.code().expect(wrong).code();
        assert!(
            ["23514", "23505", "23503"].contains(&code),
            "{wrong}: {error:?}"
        );
    }
    let right = "INSERT INTO batches VALUES ('$A', '$A', '2026-01-01', 1, 1, NULL, NULL, now(), 'poll', 1, '{}', '');
        INSERT INTO batch_ids VALUES ('$A', '$A', '2026-01-01', '$A', 1, 'undated', NULL, NULL, '0123456789abcdef01234567')";
    client.batch_execute(&fill(right)).await.unwrap();
}

#[tokio::test]
async fn a_tenant_takes_everything_of_it_along() {
    let db = TestDb::new().await;
    let client = db.client().await;
    client
        .batch_execute(&ROWS.replace("$A", A).replace("$B", B))
        .await
        .unwrap();
    client.batch_execute("DELETE FROM tenants").await.unwrap();
    for table in of_database(&client).await.keys() {
        let left = format!("SELECT count(*) FROM {table}");
        let left: i64 = client.query_one(&left, &[]).await.unwrap().get(0);
        // The janitor is the installation's.
        let expected = i64::from(["jobs", "job_lanes", "job_schedule"].contains(&table.as_str()));
        assert_eq!(left, expected, "{table}");
    }
}

#[tokio::test]
async fn ids_are_version_7_and_sort_by_time() {
    let db = TestDb::new().await;
    let client = db.client().await;
    let query = "SELECT collector_uuid()::text FROM generate_series(1, 200) WHERE pg_sleep(0.00001) IS NOT NULL";
    let ids = lines(&client, query).await;
    for id in &ids {
        let id: uuid::Uuid = id.parse().unwrap();
        assert_eq!(
            (id.get_version_num(), id.get_variant()),
            (7, uuid::Variant::RFC4122),
            "{id}"
        );
    }
    assert!(ids.is_sorted());
    let age = "SELECT abs(extract(epoch FROM clock_timestamp()) * 1000 - ('x' || left(replace(collector_uuid()::text, '-', ''), 12))::bit(48)::bigint) < 1000";
    assert!(client.query_one(age, &[]).await.unwrap().get::<_, bool>(0));
}
