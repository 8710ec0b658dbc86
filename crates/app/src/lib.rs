//! The program `okta-collector`: its commands, settings and what every command needs.
//!
//! It composes the other crates and has no rules of its own. `main` calls [`run`] and nothing else,
//! so that the benchmarks can be the same program in a process of their own.

mod cli;
mod client;
mod commands;
mod config;
mod database;
mod demo;
mod output;
mod shutdown;
mod telemetry;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

/// Runs a command line, the program's name first, on a multi-thread Tokio runtime. Prints everything
/// that is to be said.
///
/// The code is 0 for success, 2 for a command line or settings that are wrong, else 1. A second
/// SIGTERM or SIGINT ends the process from within, with 143 or 130.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody reads it if this fails.
            let _unread = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match Box::pin(commands::run(cli)).await {
        Ok(code) => code,
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("okta-collector: {}", told(&error));
            match error.downcast_ref::<config::Problems>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::FAILURE,
            }
        }
    }
}

/// An error with its causes, leaving out those that it tells itself.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
