//! Every event reaches InsightOps, whatever is in it and whatever goes wrong. More events, and an outage of
//! 30 s: `cargo run --release -p bench -- insightops`.

use std::time::Duration;

use testkit::fleet::Program;
use testkit::insightops::{Plan, run};
use testkit::postgres::TestDb;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_hostile_events_reach_insightops_through_every_fault() {
    let database = TestDb::empty().await;
    let seed = rand::random();
    eprintln!("seed {seed}");
    let plan = Plan {
        program: Program::at(env!("CARGO_BIN_EXE_okta-collector")),
        database_url: database.url().to_owned(),
        events: 10_000,
        kills: 4,
        outage: Duration::from_secs(4),
        seed,
    };

    let outcome = run(&plan, |line| eprintln!("{line}")).await;

    eprintln!("{outcome}");
    assert!(
        outcome.kept(),
        "seed {seed}: {:?}\n{outcome}",
        outcome.faults()
    );
    assert_eq!(outcome.kills, 4);
    assert!(outcome.receiver.faults > 50, "{outcome}");
    assert!(outcome.oversized > 50 && outcome.garbled > 100, "{outcome}");
}
