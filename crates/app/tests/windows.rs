//! Rate limits, with real workers in short windows. In Okta's own windows of a minute:
//! `cargo run --release -p bench -- windows`.

use testkit::fleet::Program;
use testkit::postgres::TestDb;
use testkit::windows::{Plan, tell};

const WINDOWS: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_used_up_to_our_part_and_none_of_our_requests_is_refused() {
    let database = TestDb::empty().await;
    let seed = rand::random();
    let plan = Plan {
        program: Program::at(env!("CARGO_BIN_EXE_okta-collector")),
        database_url: database.url().to_owned(),
        windows: WINDOWS,
        seconds: 12,
        org_limit: 180,
        enough: 80,
        seed,
    };
    let outcome = tell(&plan).await;
    let faults = outcome.faults(&plan);
    assert!(faults.is_empty(), "seed {seed}:\n{outcome}\n{faults:#?}");
}
