//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use model::duration::parse_duration;
use uuid::Uuid;

const EXAMPLES: &str = "\
Try it, with nothing but PostgreSQL programs on the machine:
  okta-collector demo

Set it up:
  okta-collector sealing keygen > sealing.keys
  export COLLECTOR_DATABASE_URL=postgres://collector@localhost/collector
  export COLLECTOR_SEALING_KEYS_FILE=sealing.keys
  okta-collector check-config
  okta-collector migrate
  okta-collector keys create --tenant acme --role admin --name first
  okta-collector serve

All settings: okta-collector check-config, and docs/SETTINGS.md.";

/// Collects the Okta System Log and hands it on; no event lost.
#[derive(Debug, Parser)]
#[command(name = "okta-collector", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Settings file (TOML) [default: the one that `COLLECTOR_CONFIG` names]; variables win over it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole thing at work, on a private database and a simulated Okta org
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    /// Run the HTTP API and a worker in one process
    Serve,
    /// Run the HTTP API
    Api,
    /// Run a worker; any number of them share one database
    Worker,
    /// Make the secrets of an installation in a folder, where they are missing
    Init(Init),
    /// Bring the database to the version of this program
    Migrate(Migrate),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(Keys),
    /// Make the keys that seal stored secrets
    #[command(subcommand)]
    Sealing(Sealing),
    /// Make a source with its credential and destination through the API
    #[command(after_help = REGISTER_EXAMPLE)]
    Register(Register),
    /// Ask a running service whether it is ready, for container health checks
    Healthcheck(Healthcheck),
    /// Check all settings and show what they are and where they come from
    CheckConfig,
    /// Print the OpenAPI document of the HTTP API
    Openapi {
        /// In OpenAPI 3.0, for generators that do not read 3.1
        #[arg(long = "v3.0")]
        v30: bool,
    },
    /// Run a simulated Okta org, or print its events
    #[command(after_help = SIM_EXAMPLES)]
    Sim(Sim),
    /// Receive deliveries, as InsightOps and as a webhook would, and show what arrives
    #[command(after_help = RECEIVE_EXAMPLES)]
    Receive(Receive),
}

const DEMO_EXAMPLES: &str = "\
Examples:
  okta-collector demo
      a simulated org with some traffic, watched live; Ctrl-C ends it
  okta-collector demo --events events.ndjson --output out.ndjson --until-idle
      every event of the file through the whole machine; exits 0 if none is lost or changed
  okta-collector demo --okta-domain acme.okta.com --okta-token-file token
      your own org";

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// What the simulated org shows: one JSON object a line. Without it, generated events
    #[arg(long, value_name = "FILE", help_heading = "Simulated org")]
    pub(crate) events: Option<PathBuf>,
    /// Generated events a second
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = "Simulated org",
        value_parser = clap::value_parser!(u32).range(1..=100_000), conflicts_with = "events")]
    pub(crate) rate: u32,
    /// End when everything is delivered, print the counts, and exit 0 only if they agree
    #[arg(long, requires = "events", help_heading = "Simulated org")]
    pub(crate) until_idle: bool,
    /// Poll a real org instead, such as acme.okta.com
    #[arg(long, value_name = "DOMAIN", requires = "okta_token_file", help_heading = "Real org",
        conflicts_with_all = ["events", "rate", "until_idle"])]
    pub(crate) okta_domain: Option<String>,
    /// File with an API token of the org
    #[arg(
        long,
        value_name = "FILE",
        requires = "okta_domain",
        help_heading = "Real org"
    )]
    pub(crate) okta_token_file: Option<PathBuf>,
    /// Where events are delivered to, one a line; must be empty or new [default: in a temporary folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to: it is made too, for its owner only. It gets sealing.keys, database.password and api.key
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// How long to wait for the database to be there
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    pub(crate) wait: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key and print it, once; the tenant is made if there is none of the name
    Create(CreateKey),
    /// List the keys of a tenant, without their secrets
    List {
        /// Name of the tenant
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        tenant: String,
    },
    /// Revoke a key at once
    Revoke {
        /// Name of the tenant
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        tenant: String,
        /// The part of the key after okc_, as `keys list` shows it
        #[arg(value_name = "PUBLIC_ID")]
        public_id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// Name of the tenant
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) tenant: String,
    /// What the key may do
    #[arg(long, value_enum)]
    pub(crate) role: Role,
    /// What the key is for
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Write the key to this new file, readable by its owner only, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Read everything of the tenant but its secrets
    Viewer,
    /// Also pause, resume and poll
    Operator,
    /// Everything
    Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sealing {
    /// Print a new sealing key, one line `name:base64`
    Keygen,
}

const REGISTER_EXAMPLE: &str = r#"The file holds what the API takes for each, without ids:
  { "credential":  { "name": "okta", "domain": "acme.okta.com", "token": "00..." },
    "destination": { "name": "siem", "kind": "webhook", "webhook": { "url": "https://siem.example.com/okta" } },
    "source":      { "display_name": "Okta", "timezone": "Europe/Berlin", "refresh_frequency": "5m" } }"#;

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// What to make, as JSON; what has the name already is left as it is
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where the API is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) api: url::Url,
    /// File with an API key of an admin
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// What to ask, such as `http://127.0.0.1:8080/readyz` [default: the configured addresses]
    #[arg(value_name = "URL")]
    pub(crate) url: Option<url::Url>,
}

const SIM_EXAMPLES: &str = "\
Examples:
  okta-collector sim --listen 127.0.0.1:9000 --token 00secret --rate 50
  okta-collector sim --listen 127.0.0.1:9000 --app-key app.pem --app-dpop --control 127.0.0.1:9001
  okta-collector sim --listen 127.0.0.1:9000 --orgs orgs.json
  okta-collector sim --print 200000 --seed 1 > events.ndjson

docs/SIMULATOR.md tells the rest: what it shows, several orgs, the control interface.";

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["listen", "print"]))]
pub(crate) struct Sim {
    /// Serve an org at this address
    #[arg(long, value_name = "ADDR", help_heading = "Serve")]
    pub(crate) listen: Option<SocketAddr>,
    /// The API token it accepts
    #[arg(long, help_heading = "Serve")]
    pub(crate) token: Option<String>,
    /// Private key (PEM) of a service app it knows, 0oasimulated0app0001; made if there is no such file
    #[arg(long, value_name = "FILE", help_heading = "Serve")]
    pub(crate) app_key: Option<PathBuf>,
    /// The service app wants DPoP
    #[arg(long, requires = "app_key", help_heading = "Serve")]
    pub(crate) app_dpop: bool,
    /// Several orgs, described as JSON
    #[arg(long, value_name = "FILE", help_heading = "Serve",
        conflicts_with_all = ["token", "app_key", "events", "rate", "rate_limit", "window"])]
    pub(crate) orgs: Option<PathBuf>,
    /// Serve the control interface at this address; whoever reaches it may do everything
    #[arg(long, value_name = "ADDR", requires = "listen", help_heading = "Serve")]
    pub(crate) control: Option<SocketAddr>,
    /// Its events: one JSON object a line
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "rate",
        help_heading = "Serve"
    )]
    pub(crate) events: Option<PathBuf>,
    /// Generated events a second
    #[arg(long, value_name = "N", help_heading = "Serve",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: Option<u32>,
    /// Requests to the log that the org allows a minute; a token gets half of them
    #[arg(long, value_name = "N", default_value_t = 120, help_heading = "Serve",
        value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) rate_limit: u32,
    /// Seconds of a rate limit window; Okta's have 60
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "Serve",
        value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) window: u32,
    /// Serve TLS with this certificate chain (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        help_heading = "Serve"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        help_heading = "Serve"
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// Print so many generated events, one a line, and end
    #[arg(long, value_name = "N", conflicts_with_all = ["listen", "token", "app_key", "orgs", "events", "rate"], help_heading = "Print")]
    pub(crate) print: Option<usize>,
    /// Same seed, same events
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
}

const RECEIVE_EXAMPLES: &str = "\
Examples:
  okta-collector receive --listen 127.0.0.1:9100
      takes every log token that is a UUID, and webhooks on /
  okta-collector receive --listen 127.0.0.1:9100 --path /events --output events.ndjson
  curl http://127.0.0.1:9100/counts

Send to it (the service needs COLLECTOR_ALLOW_HOSTS=127.0.0.1 for that):
  an insightops destination with the base_url http://127.0.0.1:9100 and any UUID as token
  a webhook destination with the url http://127.0.0.1:9100/

It is as strict as InsightOps: an unknown token is answered 204 and its events are gone, only the \
first line of a body is kept, more than 32,767 bytes are split, 65,536 bytes are answered 413.";

#[derive(Debug, Args)]
pub(crate) struct Receive {
    /// Where to listen
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// InsightOps log token that exists; may be repeated [default: every UUID]
    #[arg(long, value_name = "UUID", help_heading = "InsightOps")]
    pub(crate) token: Vec<Uuid>,
    /// Id of the log they write into, for the query API
    #[arg(
        long,
        value_name = "UUID",
        requires = "read_key",
        help_heading = "InsightOps"
    )]
    pub(crate) log_id: Option<Uuid>,
    /// Key that may read the log by the query API
    #[arg(
        long,
        value_name = "KEY",
        requires = "log_id",
        help_heading = "InsightOps"
    )]
    pub(crate) read_key: Option<String>,
    /// Path that takes webhooks; may be repeated [default: /]
    #[arg(long, value_name = "PATH", help_heading = "Webhook", value_parser = absolute_path)]
    pub(crate) path: Vec<String>,
    /// Append every event to this file, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn absolute_path(text: &str) -> Result<String, &'static str> {
    let absolute = text.starts_with('/') && !text.contains('?');
    absolute
        .then(|| text.to_owned())
        .ok_or("a path begins with / and has no query")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
