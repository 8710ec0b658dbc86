//! `sim`: a simulated Okta org, or its events on stdout.

use std::io::{BufWriter, ErrorKind, Write, stdout};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use okta_sim::{Events, OrgConfig, Rate, RateLimits, SimClock, SimConfig, Tls};

use crate::cli::Sim;
use crate::shutdown;

pub(super) async fn run(options: Sim) -> anyhow::Result<()> {
    if let Some(count) = options.print {
        return tokio::task::spawn_blocking(move || print(count, options.seed)).await?;
    }
    let (listen, token) = (options.listen, options.token.clone());
    let (listen, token) = listen
        .zip(token)
        .context("--listen and --token are needed")?;
    serve(listen, token, options).await
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

async fn serve(listen: SocketAddr, token: String, options: Sim) -> anyhow::Result<()> {
    let stop = shutdown::on_signal()?;
    let events = match options.events {
        Some(file) => Some(read(file).await?),
        None => None,
    };
    let tls = match options.tls_cert.as_deref().zip(options.tls_key.as_deref()) {
        Some((chain, key)) => Some(tls(chain, key)?),
        None => None,
    };
    let org = OrgConfig {
        limits: RateLimits::half_of(options.rate_limit),
        rate: options.rate.map(|per_second| Rate {
            per_second,
            seed: options.seed,
        }),
        ..OrgConfig::with_token(&token)
    };
    let sim = okta_sim::Sim::start(SimConfig {
        listen,
        tls,
        clock: SimClock::new(),
        org,
    })
    .await?;
    if let Some(events) = events {
        sim.org().persist(events);
    }
    let url = sim.url();
    eprintln!(
        "a simulated Okta org listens on {url}, with {} events",
        sim.org().published_count()
    );
    eprintln!("try: curl -H 'Authorization: SSWS {token}' '{url}/api/v1/logs?limit=1'");
    stop.cancelled().await;
    let (requests, events) = (sim.org().request_count(), sim.org().published_count());
    sim.stop().await;
    eprintln!("ended after {requests} requests; {events} events were published and are gone");
    Ok(())
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
