//! The webhook stories with any number of events, each on a durable cluster of its own.

use std::time::{Duration, Instant};

use testkit::webhook::{Outcome, Plan, kills, outage};

use crate::ground;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many events the live feed has.
    #[arg(long, default_value_t = 60_000)]
    feed: usize,
    /// For how many seconds the receiver answers nothing but 503; the feed takes three times as long.
    #[arg(long, default_value_t = 30)]
    outage: u64,
    /// How many events the backlog has.
    #[arg(long, default_value_t = 200_000)]
    backlog: usize,
    /// How many workers to kill in it.
    #[arg(long, default_value_t = 5)]
    kills: usize,
    /// Repeats the choices of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
}

/// Tells both stories; whether the promise was kept.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!("seed {seed}");
    let told = |line: &str| eprintln!("{line}");
    let length = Duration::from_secs(arguments.outage);
    let calm = tell(seed, arguments.feed, async |plan| {
        outage(&plan, length, told).await
    });
    let calm = Box::pin(calm).await?;
    let kept = tell(seed, arguments.backlog, async |plan| {
        kills(&plan, arguments.kills, told).await
    });
    Ok(Box::pin(kept).await? && calm)
}

async fn tell(
    seed: u64,
    events: usize,
    story: impl AsyncFnOnce(Plan) -> Outcome,
) -> anyhow::Result<bool> {
    let cluster = ground::durable().await?;
    let plan = Plan {
        program: ground::program()?,
        database_url: cluster.url("postgres"),
        events,
        seed,
    };
    let begun = Instant::now();
    let outcome = story(plan).await;
    cluster.stop().await?;
    eprintln!("{outcome}\nin {:.1?}", begun.elapsed());
    let faults = outcome.faults();
    for fault in &faults {
        eprintln!("BROKEN: {fault}");
    }
    if faults.is_empty() {
        eprintln!("the promise was kept");
    }
    Ok(outcome.kept())
}
