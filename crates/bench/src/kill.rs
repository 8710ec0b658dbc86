//! The kill story with any number of kills, on a durable cluster of its own.

use anyhow::Context;
use local_postgres::{Cluster, Options};
use testkit::fleet::Program;
use testkit::kill::{Plan, run as tell};

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
    let cluster = Cluster::start(Options {
        durable: true,
        ..Options::default()
    })
    .await?;
    let path = std::env::current_exe().context("the path of this program")?;
    let plan = Plan {
        program: Program {
            path,
            prefix: vec!["collector".to_owned()],
        },
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
