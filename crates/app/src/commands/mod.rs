//! The commands, one file each.

mod check_config;
mod healthcheck;
mod init;
mod keys;
mod migrate;
mod receive;
mod register;
mod serve;
mod sim;

use std::process::ExitCode;

use secrecy::ExposeSecret;
use store::sealing::KeyRing;

use crate::cli::{Cli, Command, Sealing};
use crate::config::{Config, Environment, Wanted};
use crate::{demo, output};

pub(crate) use keys::make as make_key;
pub(crate) use serve::{okta_access, okta_client, reach, worker_config};
pub(crate) use sim::read as read_events;

/// Runs a command to its end.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = Settings {
        environment: Environment::read(),
        file: cli.config,
    };
    match cli.command {
        Command::Demo(options) => return Box::pin(demo::run(&settings, options)).await,
        Command::Serve => Box::pin(serve::serve(&settings)).await?,
        Command::Api => serve::api(&settings).await?,
        Command::Worker => serve::worker(&settings).await?,
        Command::Init(options) => init::run(&options)?,
        Command::Migrate(options) => migrate::run(&settings, &options).await?,
        Command::Keys(command) => keys::run(&settings, command).await?,
        Command::Sealing(Sealing::Keygen) => keygen()?,
        Command::Register(options) => register::run(&options).await?,
        Command::Healthcheck(options) => return healthcheck::run(&settings, options).await,
        Command::CheckConfig => check_config::run(&settings)?,
        Command::Openapi { v30: true } => output::print(&api::openapi_v30_json())?,
        Command::Openapi { v30: false } => output::print(&api::openapi_json())?,
        Command::Sim(options) => sim::run(options).await?,
        Command::Receive(options) => receive::run(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where settings come from.
#[derive(Debug)]
pub(crate) struct Settings {
    environment: Environment,
    file: Option<std::path::PathBuf>,
}

impl Settings {
    /// Reads them for a command that cannot do without the settings of these keys.
    pub(crate) fn load(&self, needs: &[&str]) -> anyhow::Result<Config> {
        self.load_with(needs, &[])
    }

    /// As [`load`](Self::load), with other defaults than the usual ones.
    pub(crate) fn load_with(
        &self,
        needs: &[&str],
        defaults: &[(&str, &str)],
    ) -> anyhow::Result<Config> {
        Ok(Config::load(
            &self.environment,
            self.wanted(needs, defaults),
        )?)
    }

    fn wanted<'a>(&'a self, needs: &'a [&str], defaults: &'a [(&str, &str)]) -> Wanted<'a> {
        Wanted {
            file: self.file.as_deref(),
            needs,
            defaults,
        }
    }
}

fn keygen() -> anyhow::Result<()> {
    let key = KeyRing::generate()?;
    Ok(output::print(&format!("{}\n", key.expose_secret()))?)
}
