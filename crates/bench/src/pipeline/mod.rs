//! The pipeline: from an org to a destination, through the real processes and a durable PostgreSQL.
//!
//! Two questions. A backlog: what does a million events cost, in CPU time of worker and PostgreSQL
//! apart, in memory and in WAL? A live feed: how long after its page was there did an event arrive?
//! Simulator and receiver run in this process and are not counted; the pages are rendered before the
//! clock starts.

mod backlog;
mod cost;
mod live;
mod scene;

use std::time::Duration;

use clap::ValueEnum;

/// Where events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// An HTTP receiver, in batches of NDJSON
    Webhook,
    /// A file
    File,
    /// An InsightOps log, one event a request
    Insightops,
}

impl To {
    fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::File => "file",
            Self::Insightops => "insightops",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Events in the backlog; several backlogs are run one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [200_000, 2_000_000])]
    events: Vec<usize>,
    /// Where they go; each backlog is run for each.
    #[arg(long, value_delimiter = ',', default_values = ["webhook", "file"])]
    to: Vec<To>,
    /// Events a second of the live feed.
    #[arg(long, default_value_t = 200)]
    live_rate: u32,
    /// Seconds of the live feed; 0: none.
    #[arg(long, default_value_t = 120)]
    live_seconds: u64,
    /// Print where a worker spends its time, as `perf` sees it, into this file. Needs perf.
    #[arg(long)]
    profile: Option<std::path::PathBuf>,
}

/// Runs what was asked for and prints a table; whether everything arrived.
#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut complete = true;
    println!("{}", backlog::HEADER);
    for to in &arguments.to {
        for events in &arguments.events {
            let result = Box::pin(backlog::run(*to, *events, arguments.profile.as_deref())).await?;
            println!("{result}");
            complete &= result.complete();
        }
    }
    if arguments.live_seconds > 0 {
        let time = Duration::from_secs(arguments.live_seconds);
        let result = Box::pin(live::run(arguments.live_rate, time)).await?;
        println!("\n{result}");
        complete &= result.complete();
    }
    Ok(complete)
}
