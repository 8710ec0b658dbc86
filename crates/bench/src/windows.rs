//! The story of the windows in real time.

use testkit::windows::{Plan, tell};

use crate::ground;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many whole windows to judge.
    #[arg(long, default_value_t = 5)]
    windows: u64,
    /// Seconds of a window; Okta's have 60.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Requests per window of the whole org.
    #[arg(long, default_value_t = 120)]
    org_limit: u32,
    /// Repeats the offsets of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
}

/// Tells it; whether the promise was kept.
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    eprintln!(
        "seed {seed}, for about {} s",
        (arguments.windows + 2) * u64::from(arguments.seconds)
    );
    let cluster = ground::durable().await?;
    let plan = Plan {
        program: ground::program()?,
        database_url: cluster.url("postgres"),
        windows: arguments.windows,
        seconds: arguments.seconds,
        org_limit: arguments.org_limit,
        enough: 95,
        seed,
    };
    let outcome = Box::pin(tell(&plan)).await;
    cluster.stop().await?;
    eprintln!("{outcome}");
    let faults = outcome.faults(&plan);
    for fault in &faults {
        eprintln!("BROKEN: {fault}");
    }
    if faults.is_empty() {
        eprintln!("every window was used up to our part, and none of our requests was refused");
    }
    Ok(faults.is_empty())
}
