//! Settings: one TOML file, then `COLLECTOR_*` variables; the only place that reads the environment.
//!
//! One table ([`SETTINGS`]) drives reading, checking, `check-config` and the reference in
//! `docs/SETTINGS.md`. Everything that is wrong is told at once. No value of a secret is ever part
//! of a message.

mod environment;
mod file;
mod parse;
mod problems;
mod raw;
mod reference;
mod settings;
mod show;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::net::AllowHosts;
use model::point::StopAt;
use reqwest::header::HeaderName;
use secrecy::SecretString;
use url::Url;

pub(crate) use environment::Environment;
pub(crate) use parse::LogFormat;
pub(crate) use problems::Problems;
pub(crate) use show::show;

use problems::Problem;
use settings::SETTINGS;

/// Settings without which a command cannot do its work, by their key.
pub(crate) const DATABASE: &str = "database.url";
/// As [`DATABASE`].
pub(crate) const SEALING: &str = "sealing.keys";

/// Everything that can be set, checked.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) database: Database,
    pub(crate) api: Api,
    pub(crate) worker: Worker,
    pub(crate) okta: Okta,
    pub(crate) files: Files,
    pub(crate) sealing: Sealing,
    pub(crate) telemetry: Telemetry,
    pub(crate) test: Test,
}

#[derive(Debug, Default)]
pub(crate) struct Database {
    pub(crate) url: Option<SecretString>,
    pub(crate) password: Option<SecretString>,
    pub(crate) connections: usize,
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) listen: SocketAddr,
    pub(crate) first_key: Option<SecretString>,
}

impl Default for Api {
    /// Until the table's default has been applied.
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen,
            first_key: None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) lease: Duration,
    pub(crate) drain: Duration,
    pub(crate) poll_slots: usize,
    pub(crate) deliver_slots: usize,
    pub(crate) rate_share: f64,
    pub(crate) retention: Duration,
    pub(crate) max_retention: Duration,
    pub(crate) probe_interval: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Okta {
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_page_bytes: usize,
    pub(crate) allow_hosts: AllowHosts,
}

#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug, Default)]
pub(crate) struct Sealing {
    pub(crate) keys: Option<SecretString>,
}

#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) otlp_endpoint: Option<Url>,
    pub(crate) otlp_headers: Vec<(HeaderName, SecretString)>,
    pub(crate) trace_ratio: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Test {
    pub(crate) stop_at: Option<StopAt>,
}

/// What a command wants of the settings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// The file named on the command line; it wins over `COLLECTOR_CONFIG`.
    pub(crate) file: Option<&'a Path>,
    /// Keys of settings that must be there.
    pub(crate) needs: &'a [&'a str],
    /// Other defaults than the table's, key and value.
    pub(crate) defaults: &'a [(&'a str, &'a str)],
}

impl Config {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub(crate) fn load(environment: &Environment, wanted: Wanted<'_>) -> Result<Self, Problems> {
        let (values, mut problems) = raw::read(environment, wanted);
        let mut config = Self::default();
        for setting in SETTINGS {
            match values.get(setting.key) {
                Some(value) => {
                    if let Err(what) = (setting.apply)(&mut config, &value.text) {
                        problems.push(Problem::of_value(setting, &value.from, what));
                    }
                }
                None if wanted.needs.contains(&setting.key) => {
                    problems.push(Problem::missing(setting));
                }
                None => {}
            }
        }
        config.check_together(&mut problems);
        Problems::none_or(problems)?;
        Ok(config)
    }

    /// Checks what no setting can check alone. Of settings that were refused the defaults are seen.
    fn check_together(&mut self, problems: &mut Vec<Problem>) {
        if self.worker.max_retention < self.worker.retention {
            problems.push(Problem::named(
                "COLLECTOR_MAX_RETENTION",
                "it is shorter than COLLECTOR_RETENTION, after which delivered events are dropped",
                "90d",
            ));
        }
        match parse::database_url(&self.database) {
            Ok(url) => self.database.url = url,
            Err(what) => problems.push(Problem::named(
                "COLLECTOR_DATABASE_PASSWORD",
                what,
                "a URL without a password, and the password in COLLECTOR_DATABASE_PASSWORD_FILE",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
