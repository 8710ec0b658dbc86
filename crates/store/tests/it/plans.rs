//! Plans of the hot statements: they must look at the rows they are about, however many there are.

use testkit::postgres::TestDb;
use testkit::time::Time;
use tokio_postgres::Client;

/// A SQL text of the store, as shipped.
fn shipped(source: &str, name: &str) -> String {
    let begin = format!("const {name}: &str = \"");
    let text = source.split(&begin).nth(1).expect("the statement is there");
    let text = text.split("\";").next().expect("it ends");
    text.replace("\\\n", "")
}

const LEASES: &str = include_str!("../../src/leases.rs");
const PAGE: &str = include_str!("../../src/page.rs");

/// As the pool sets it up.
const SESSION: &str = "SET random_page_cost = 1.1; SET jit = off";

const PREPARE: &str = "PREPARE claim (bigint, float8, int[], timestamptz[], bigint) AS ";

/// Fills one lane with jobs, a tenth of them due.
async fn fill(client: &Client, jobs: u32) {
    let fill = format!(
        "DELETE FROM jobs;
         INSERT INTO jobs (kind, subject_id) SELECT 9, gen_random_uuid() FROM generate_series(1, {jobs});
         INSERT INTO job_schedule (job_id, lane_id, run_at, due_at)
            SELECT id, 1, t, t FROM (
                SELECT id, collector_now() + (id % {jobs} - {jobs} / 10) * interval '1 second' AS t FROM jobs) j;
         ANALYZE"
    );
    client.batch_execute(&fill).await.unwrap();
}

/// The claim's plan, from a run that is taken back.
async fn plan(client: &Client) -> String {
    let explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) EXECUTE claim (1, 60, '{1}', '{1970-01-01}', 8)";
    client.batch_execute("BEGIN").await.unwrap();
    let rows = client.query(explain, &[]).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    rows.iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect()
}

fn assert_narrow(plan: &str, jobs: u32) {
    let condition = plan
        .lines()
        .find(|line| line.contains("Index Cond:") && line.contains("run_at"))
        .unwrap_or_else(|| panic!("{jobs} jobs: {plan}"));
    let bounds = condition.contains("lane_id = ")
        && condition.contains("run_at <= ")
        && condition.contains("run_at >= ");
    assert!(bounds, "{jobs} jobs: {plan}");
    assert!(
        !plan.contains("Seq Scan on job_schedule"),
        "{jobs} jobs: {plan}"
    );
    assert!(!plan.contains("Bitmap"), "{jobs} jobs: {plan}");
    assert!(
        !plan.contains("Rows Removed by Filter"),
        "{jobs} jobs: {plan}"
    );
    // The look-up itself; not the update, which pays for each row taken.
    let lock = plan.split("LockRows").nth(1).unwrap();
    let buffers = lock.lines().find(|line| line.contains("Buffers:")).unwrap();
    let hit = buffers
        .split("hit=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert!(hit.parse::<u32>().unwrap() < 50, "{jobs} jobs: {plan}");
}

#[tokio::test]
async fn the_claim_reads_due_rows_by_the_index_only() {
    let db = TestDb::new().await;
    let client = db.client().await;
    client.batch_execute(SESSION).await.unwrap();
    client
        .batch_execute(&(PREPARE.to_owned() + &shipped(LEASES, "CLAIM")))
        .await
        .unwrap();
    for jobs in [100, 100_000] {
        fill(&client, jobs).await;
        assert_narrow(&plan(&client).await, jobs);
    }

    // The test kit's clock is not inlined and must not hide a worse plan, nor make one.
    Time::install(db.url(), None).await;
    assert_narrow(&plan(&client).await, 100_000);
}

#[tokio::test]
async fn the_claim_of_a_single_row_is_planned_as_well() {
    let db = TestDb::new().await;
    let client = db.client().await;
    client
        .batch_execute(&format!("{SESSION}; SET enable_seqscan = off"))
        .await
        .unwrap();
    client
        .batch_execute(&(PREPARE.to_owned() + &shipped(LEASES, "CLAIM")))
        .await
        .unwrap();
    // Of one page a planner rightly reads all; what counts is that both bounds could be used.
    fill(&client, 1).await;
    assert_narrow(&plan(&client).await, 1);
}

#[tokio::test]
async fn other_statements_over_jobs_read_by_the_key() {
    let db = TestDb::new().await;
    let client = db.client().await;
    client.batch_execute(SESSION).await.unwrap();
    fill(&client, 100_000).await;
    let first = "SELECT min(id) FROM jobs";
    let first: i64 = client.query_one(first, &[]).await.unwrap().get(0);
    let list = |value: &str| format!("'{{{}}}'", vec![value; 64].join(","));
    let jobs: Vec<String> = (first..first + 64).map(|id| id.to_string()).collect();
    let jobs = format!("'{{{}}}'", jobs.join(","));
    let (epochs, waits, nobody) = (
        list("0"),
        list("60"),
        "'00000000-0000-7000-8000-000000000001'",
    );
    for (source, name, types, values) in [
        (
            LEASES,
            "HEARTBEAT",
            "bigint[], bigint[], bigint, float8",
            format!("{jobs}, {epochs}, 1, 60"),
        ),
        (
            LEASES,
            "COMPLETE",
            "bigint[], bigint[], bigint, float8[], smallint[], bool[], int",
            format!(
                "{jobs}, {epochs}, 1, {waits}, {epochs}, {}, 5",
                list("NULL")
            ),
        ),
        (
            LEASES,
            "GIVE_BACK",
            "bigint[], bigint[], bigint",
            format!("{jobs}, {epochs}, 1"),
        ),
        (
            PAGE,
            "FENCE_AND_POKE",
            "bigint, bigint, bigint, float8, uuid, uuid, smallint, bool",
            format!("{first}, 0, 1, 60, {nobody}, {nobody}, 2, true"),
        ),
    ] {
        let prepare = format!("PREPARE {name} ({types}) AS {}", shipped(source, name));
        client.batch_execute(&prepare).await.unwrap();
        let rows = client
            .query(&format!("EXPLAIN EXECUTE {name} ({values})"), &[])
            .await
            .unwrap();
        let plan: String = rows
            .iter()
            .map(|row| row.get::<_, String>(0) + "\n")
            .collect();
        assert!(plan.contains("job_schedule"), "{name}: {plan}");
        for scan in ["Seq Scan on job_schedule", "Seq Scan on jobs"] {
            assert!(!plan.contains(scan), "{name}: {plan}");
        }
    }
}

#[tokio::test]
async fn a_page_looks_for_its_events_in_the_partitions_of_their_time_by_index() {
    let db = TestDb::new().await;
    let client = db.client().await;
    client.batch_execute(SESSION).await.unwrap();
    let tenant = "00000000-0000-7000-8000-00000000000a";
    // Thirty days, a page a minute.
    let fill = format!(
        "INSERT INTO tenants (id, name) VALUES ('{tenant}', 'a');
         INSERT INTO credentials (tenant_id, id, name, kind, origin, seal_kek, seal_dek, seal_body, secret_version, fingerprint)
            VALUES ('{tenant}', '{tenant}', 'c', 'ssws', 'https://a', 'k', '', '', 1, '0123456789abcdef');
         INSERT INTO sources (tenant_id, id, display_name, credential_id, timezone, refresh_seconds) VALUES ('{tenant}', '{tenant}', 's', '{tenant}', 'UTC', 60);
         SELECT collector_make_partitions('2026-01-01', 30);
         INSERT INTO batch_ids SELECT '{tenant}', '{tenant}', t::date, '{tenant}', row_number() OVER (), 'dated', t - interval '1 minute', t, decode(repeat('00', 24), 'hex')
            FROM generate_series('2026-01-01Z'::timestamptz, '2026-01-30T23:59Z', '1 minute') t;
         ANALYZE batch_ids"
    );
    client.batch_execute(&fill).await.unwrap();
    let look = format!(
        "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT ids FROM batch_ids WHERE tenant_id = '{tenant}' AND source_id = '{tenant}' AND day >= DATE '2026-01-29'
         AND last_published >= '2026-01-30T23:00Z' AND first_published <= '2026-01-30T23:01Z'"
    );
    let source = include_str!("../../src/batch_ids.rs");
    assert!(
        source.contains("AND last_published >= $3 AND first_published <= $4"),
        "this is the shipped question"
    );
    let rows = client.query(&look, &[]).await.unwrap();
    let plan: String = rows
        .iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect();
    let days = ["batch_ids_20260129 ", "batch_ids_20260130 "];
    assert!(days.iter().all(|day| plan.contains(day)), "{plan}");
    assert_eq!(
        (
            plan.matches("Index Cond").count(),
            plan.matches("Scan").count()
        ),
        (2, 2),
        "{plan}"
    );
}
