//! The plan of the claim: it must look at due rows only, however many there are.

use testkit::postgres::TestDb;
use testkit::time::Time;
use tokio_postgres::Client;

/// A SQL text of the store, as shipped.
fn shipped(name: &str) -> String {
    let source = include_str!("../../src/leases.rs");
    let begin = format!("const {name}: &str = \"");
    let text = source.split(&begin).nth(1).expect("the statement is there");
    let text = text.split("\";").next().expect("it ends");
    text.replace("\\\n", "")
}

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
        .batch_execute(&(PREPARE.to_owned() + &shipped("CLAIM")))
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
        .batch_execute(&(PREPARE.to_owned() + &shipped("CLAIM")))
        .await
        .unwrap();
    // Of one page a planner rightly reads all; what counts is that both bounds could be used.
    fill(&client, 1).await;
    assert_narrow(&plan(&client).await, 1);
}
