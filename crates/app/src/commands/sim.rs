//! `sim`: a simulated Okta org, or its events on stdout.

mod orgs;

use std::io::{BufWriter, ErrorKind, Write, stdout};
use std::path::Path;

use anyhow::{Context, bail};
use okta_sim::{
    Algorithm, App, Controlled, Events, KeyPair, Org, OrgConfig, Rate, RateLimits, SimClock, Tls,
    Windows,
};

use crate::cli::Sim;
use crate::shutdown;

/// The client id of the service app of `--app-key`.
const CLIENT_ID: &str = "0oasimulated0app0001";

pub(super) async fn run(options: Sim) -> anyhow::Result<()> {
    if let Some(count) = options.print {
        return tokio::task::spawn_blocking(move || print(count, options.seed)).await?;
    }
    serve(options).await
}

/// Writes events as fast as the reader takes them; a reader that has seen enough ends it.
fn print(count: usize, seed: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, stdout().lock());
    let mut write = || {
        for event in okta_sim::generate(count, seed) {
            out.write_all(&event)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    match write() {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

async fn serve(options: Sim) -> anyhow::Result<()> {
    let stop = shutdown::on_signal()?;
    let listen = options.listen.context("--listen is needed")?;
    let tls = match options.tls_cert.as_deref().zip(options.tls_key.as_deref()) {
        Some((chain, key)) => Some(tls(chain, key)?),
        None => None,
    };
    let clock = SimClock::new();
    let orgs = match &options.orgs {
        Some(file) => orgs::read(file, &clock).await?,
        None => vec![orgs::Named::alone(one(&options, &clock).await?)],
    };
    let sims = orgs::serve(&orgs, listen, tls.as_ref()).await?;
    let named: Vec<(String, Org)> = orgs.into_iter().map(orgs::Named::into_pair).collect();
    let controlled = Controlled {
        clock,
        orgs: named.clone(),
    };
    let control = match options.control {
        Some(address) => Some(okta_sim::Sim::control(controlled, address).await?),
        None => None,
    };
    if let Some(control) = &control {
        eprintln!("its control interface listens on {}", control.url());
    }
    if let (Some(token), Some(sim)) = (&options.token, sims.first()) {
        let url = sim.url();
        eprintln!("try: curl -H 'Authorization: SSWS {token}' '{url}/api/v1/logs?limit=1'");
    }
    stop.cancelled().await;
    for sim in sims.into_iter().chain(control) {
        sim.stop().await;
    }
    let count = |count: fn(&Org) -> u64| named.iter().map(|(_, org)| count(org)).sum::<u64>();
    let requests = count(|org| org.request_count() as u64);
    let events = count(Org::published_count);
    eprintln!("ended after {requests} requests; {events} events were published and are gone");
    Ok(())
}

/// The org that the options describe.
async fn one(options: &Sim, clock: &SimClock) -> anyhow::Result<Org> {
    if options.token.is_none() && options.app_key.is_none() {
        bail!("nobody could read the org: --token or --app-key is needed");
    }
    let apps = match &options.app_key {
        Some(file) => vec![App {
            dpop: options.app_dpop,
            ..App::new(CLIENT_ID, &app_key(file)?)
        }],
        None => Vec::new(),
    };
    let org = Org::new(
        OrgConfig {
            tokens: options.token.iter().cloned().collect(),
            apps,
            limits: RateLimits::half_of(options.rate_limit),
            windows: Windows {
                seconds: options.window,
                ..Windows::default()
            },
            rate: options.rate.map(|per_second| Rate {
                per_second,
                seed: options.seed,
            }),
            ..OrgConfig::default()
        },
        clock.clone(),
    );
    if let Some(file) = &options.events {
        org.persist(read(file.clone()).await?);
    }
    Ok(org)
}

/// Reads the key of the service app, or makes one that only its owner can read.
fn app_key(file: &Path) -> anyhow::Result<KeyPair> {
    match std::fs::read_to_string(file) {
        Ok(text) => KeyPair::from_pem(&text)
            .with_context(|| format!("cannot use the key in {}", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = KeyPair::generate(Algorithm::Rs256)?;
            let mut options = std::fs::OpenOptions::new();
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options
                .write(true)
                .create_new(true)
                .open(file)
                .and_then(|mut out| out.write_all(key.private_pem().as_bytes()))
                .with_context(|| format!("cannot write the key to {}", file.display()))?;
            eprintln!(
                "the key of the service app {CLIENT_ID} is in {}",
                file.display()
            );
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Reads events of a file, all or, if a line is invalid, none.
pub(crate) async fn read(file: std::path::PathBuf) -> anyhow::Result<Events> {
    let name = file.display().to_string();
    let events = tokio::task::spawn_blocking(move || Events::read_file(file)).await?;
    events.with_context(|| format!("the events of {name} are not usable"))
}

fn tls(chain: &Path, key: &Path) -> anyhow::Result<Tls> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    Tls::from_pem(&read(chain)?, &read(key)?)
        .context("cannot serve TLS with this certificate and key")
}
