//! `healthcheck`: asks a running service whether it is ready, for containers without a shell.
//!
//! Without a URL the configured addresses of the API and of the worker's probes are asked. One that
//! nobody listens at does not count, because a container runs one of the two; at least one must answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use url::Url;

use super::Settings;
use crate::cli::Healthcheck;
use crate::output;

const PATIENCE: Duration = Duration::from_secs(5);

enum Health {
    Ready,
    NotReady(String),
    NobodyThere(String),
}

pub(super) async fn run(settings: &Settings, options: Healthcheck) -> anyhow::Result<ExitCode> {
    let urls = if let Some(url) = options.url {
        vec![url]
    } else {
        let config = settings.load(&[])?;
        let addresses = [Some(config.api.listen), config.worker.listen];
        let urls = addresses.into_iter().flatten().map(readyz);
        urls.collect::<Result<_, _>>()?
    };
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .build()
        .context("cannot set up an HTTP client")?;
    let (mut ready, mut troubles, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for url in urls {
        match ask(&client, &url).await {
            Health::Ready => ready.push(url.to_string()),
            Health::NotReady(why) => troubles.push(format!("{url}: {why}")),
            Health::NobodyThere(why) => absent.push(format!("{url}: {why}")),
        }
    }
    let (line, code) = if !troubles.is_empty() {
        (
            format!("not ready: {}\n", troubles.join("; ")),
            ExitCode::FAILURE,
        )
    } else if ready.is_empty() {
        (
            format!("not running: {}\n", absent.join("; ")),
            ExitCode::FAILURE,
        )
    } else {
        (format!("ready: {}\n", ready.join(", ")), ExitCode::SUCCESS)
    };
    output::print(&line)?;
    Ok(code)
}

/// The probe behind an address that somebody listens at; "any address" is asked at this machine.
fn readyz(mut address: SocketAddr) -> anyhow::Result<Url> {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(Url::parse(&format!("http://{address}/readyz"))?)
}

async fn ask(client: &reqwest::Client, url: &Url) -> Health {
    match client.get(url.clone()).send().await {
        Ok(answer) if answer.status().is_success() => Health::Ready,
        Ok(answer) => {
            let status = answer.status();
            let problem: Option<serde_json::Value> = answer.json().await.ok();
            let detail = problem
                .as_ref()
                .and_then(|problem| problem.get("detail")?.as_str());
            Health::NotReady(detail.map_or_else(|| status.to_string(), str::to_owned))
        }
        Err(error) if error.is_connect() => Health::NobodyThere("nobody listens there".to_owned()),
        Err(error) if error.is_timeout() => Health::NotReady("no answer".to_owned()),
        Err(error) => Health::NotReady(error.to_string()),
    }
}
