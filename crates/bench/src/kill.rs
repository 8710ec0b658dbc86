//! The kill story with any number of kills, on a durable cluster of its own.

use testkit::kill::{Plan, run as tell};

use crate::ground;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many workers to kill.
    #[arg(long, default_value_t = 200)]
    kills: usize,
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
        kills: arguments.kills,
        seed,
    };
    let outcome = tell(&plan, |line| eprintln!("{line}")).await;
    cluster.stop().await?;
    eprintln!("{outcome}");
    eprintln!(
        "{}",
        if outcome.kept() {
            "the promise was kept"
        } else {
            "THE PROMISE WAS BROKEN"
        }
    );
    Ok(outcome.kept())
}
