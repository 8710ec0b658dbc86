//! A webhook gets every event: once through an outage, and at most a batch again per worker killed. The
//! same at length: `cargo run --release -p bench -- storms`.

use std::time::Duration;

use testkit::fleet::Program;
use testkit::postgres::TestDb;
use testkit::webhook::{Plan, kills, outage};

const KILLS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_in_a_live_feed_loses_and_doubles_nothing() {
    let database = TestDb::empty().await;
    let plan = plan(&database, 6_000);

    let outcome = outage(&plan, Duration::from_secs(3), |line| eprintln!("{line}")).await;

    eprintln!("{outcome}");
    let faults = outcome.faults();
    assert!(faults.is_empty(), "{plan:?}: {faults:?}\n{outcome}");
    let refused = outcome.arrived.iter().map(|arrived| arrived.counts.faults);
    assert!(refused.sum::<u64>() >= 2, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_in_a_backlog_repeat_at_most_a_batch_each_under_its_key() {
    let database = TestDb::empty().await;
    let plan = plan(&database, 20_000);

    let outcome = kills(&plan, KILLS, |line| eprintln!("{line}")).await;

    eprintln!("{outcome}");
    let faults = outcome.faults();
    assert!(faults.is_empty(), "{plan:?}: {faults:?}\n{outcome}");
    assert_eq!((outcome.kills, outcome.at_sent), (KILLS, 3));
    assert_eq!(outcome.arrived.len(), 2);
}

fn plan(database: &TestDb, events: usize) -> Plan {
    let seed = rand::random();
    eprintln!("seed {seed}");
    Plan {
        program: Program::at(env!("CARGO_BIN_EXE_okta-collector")),
        database_url: database.url().to_owned(),
        events,
        seed,
    }
}
