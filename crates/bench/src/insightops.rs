//! The InsightOps story with any number of events, on a durable cluster of its own.

use std::time::Duration;

use testkit::insightops::{Plan, run as tell};

use crate::ground;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many events the org shows.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// How many workers to kill.
    #[arg(long, default_value_t = 4)]
    kills: usize,
    /// For how many seconds the receiver answers nothing but 503.
    #[arg(long, default_value_t = 30)]
    outage: u64,
    /// Repeats the choices of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
}

/// Tells the story; whether the promise was kept.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}");
    let cluster = ground::durable().await?;
    let plan = Plan {
        program: ground::program()?,
        database_url: cluster.url("postgres"),
        events: arguments.events,
        kills: arguments.kills,
        outage: Duration::from_secs(arguments.outage),
        seed,
    };
    let outcome = tell(&plan, |line| eprintln!("{line}")).await;
    cluster.stop().await?;
    eprintln!("{outcome}");
    let faults = outcome.faults();
    for fault in &faults {
        eprintln!("BROKEN: {fault}");
    }
    if faults.is_empty() {
        eprintln!("the promise was kept");
    }
    Ok(outcome.kept())
}
