//! Benchmarks, and the stories of the suite at length: `cargo run --release -p bench -- pipeline`,
//! `.. kill`, `.. insightops`, `.. storms`, `.. windows`.

mod ground;
mod insightops;
mod kill;
mod pipeline;
mod storms;
mod windows;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures okta-collector, and tries to make it lose events.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ends real workers by SIGKILL while events flow and says what became of every event.
    Kill(kill::Arguments),
    /// Sends hostile events to a strict InsightOps receiver through every fault and says what became of them.
    Insightops(insightops::Arguments),
    /// Measures events from an org to a destination: CPU time, memory, WAL, delay.
    Pipeline(pipeline::Arguments),
    /// Delivers to a webhook through an outage and through the end of workers, and says what became of every event.
    Storms(storms::Arguments),
    /// Reads with two tokens beside a stranger and says how each of the org's windows was used.
    Windows(windows::Arguments),
    /// Is the product: how the other commands start its processes.
    #[command(hide = true, disable_help_flag = true)]
    Collector {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Kill(arguments) => Box::pin(kill::run(&arguments)).await,
        Command::Insightops(arguments) => Box::pin(insightops::run(&arguments)).await,
        Command::Pipeline(arguments) => Box::pin(pipeline::run(&arguments)).await,
        Command::Storms(arguments) => Box::pin(storms::run(&arguments)).await,
        Command::Windows(arguments) => Box::pin(windows::run(&arguments)).await,
        Command::Collector { arguments } => return collector(arguments).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn collector(arguments: Vec<OsString>) -> ExitCode {
    okta_collector::run(std::iter::once(OsString::from("okta-collector")).chain(arguments)).await
}
