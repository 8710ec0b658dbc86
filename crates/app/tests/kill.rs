//! The promise, with real workers killed at the worst moments. More kills: `cargo run --release -p bench -- kill`.

use testkit::fleet::Program;
use testkit::kill::{Plan, run};
use testkit::postgres::TestDb;

const KILLS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_at_any_moment_lose_nothing_and_store_nothing_twice() {
    let database = TestDb::empty().await;
    let seed = rand::random();
    eprintln!("seed {seed}");
    let plan = Plan {
        program: Program::at(env!("CARGO_BIN_EXE_okta-collector")),
        database_url: database.url().to_owned(),
        kills: KILLS,
        seed,
    };

    let outcome = run(&plan, |line| eprintln!("{line}")).await;

    eprintln!("{outcome}");
    assert!(outcome.kept(), "seed {seed}: {outcome}");
    assert_eq!(outcome.kills, KILLS);
    assert!(outcome.at_points() >= KILLS / 2, "{outcome}");
}
