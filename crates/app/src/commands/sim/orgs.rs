//! The orgs of `sim --orgs FILE`, and the listeners in front of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use okta_sim::{Hosted, Org, OrgConfig, Sim, SimClock, Tls};
use serde::Deserialize;

use super::read as read_events;

/// One org as the file describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    /// Names it in the control interface.
    name: String,
    /// A listener of its own; without it that of `--listen`.
    listen: Option<SocketAddr>,
    /// Its host names; without any it takes all of its listener.
    #[serde(default)]
    hosts: Vec<String>,
    /// A file of events, relative to this one.
    events: Option<PathBuf>,
    #[serde(default)]
    org: OrgConfig,
}

/// An org with its name and where it is served.
pub(super) struct Named {
    name: String,
    listen: Option<SocketAddr>,
    hosted: Hosted,
}

impl Named {
    /// The only org.
    pub(super) fn alone(org: Org) -> Self {
        let hosts = Vec::new();
        Self {
            name: "org".to_owned(),
            listen: None,
            hosted: Hosted { hosts, org },
        }
    }

    pub(super) fn into_pair(self) -> (String, Org) {
        (self.name, self.hosted.org)
    }
}

/// Reads a JSON array of orgs, all on one clock, with their events.
pub(super) async fn read(file: &Path, clock: &SimClock) -> anyhow::Result<Vec<Named>> {
    let name = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read {name}"))?;
    let described: Vec<Described> =
        serde_json::from_slice(&text).with_context(|| format!("{name} does not describe orgs"))?;
    ensure!(!described.is_empty(), "{name} describes no org");
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut orgs: Vec<Named> = Vec::new();
    for one in described {
        let twice = orgs.iter().any(|org| org.name == one.name);
        ensure!(!twice, "{name} describes the org {} twice", one.name);
        let org = Org::new(one.org, clock.clone());
        if let Some(events) = one.events {
            org.persist(read_events(folder.join(events)).await?);
        }
        orgs.push(Named {
            name: one.name,
            listen: one.listen,
            hosted: Hosted {
                hosts: one.hosts,
                org,
            },
        });
    }
    Ok(orgs)
}

/// Opens one listener for each address and tells what it serves.
pub(super) async fn serve(
    orgs: &[Named],
    listen: SocketAddr,
    tls: Option<&Tls>,
) -> anyhow::Result<Vec<Sim>> {
    let mut groups: BTreeMap<SocketAddr, Vec<&Named>> = BTreeMap::new();
    for org in orgs {
        let address = org.listen.unwrap_or(listen);
        groups.entry(address).or_default().push(org);
    }
    let mut sims = Vec::new();
    for (address, group) in groups {
        let hosted = group.iter().map(|org| org.hosted.clone()).collect();
        let sim = Sim::serve_hosts(hosted, address, tls.cloned()).await?;
        for org in group {
            let count = org.hosted.org.published_count();
            let hosts = match org.hosted.hosts.as_slice() {
                [] => String::new(),
                hosts => format!(" as {}", hosts.join(", ")),
            };
            eprintln!(
                "a simulated Okta org listens on {}{hosts}, with {count} events",
                sim.url()
            );
        }
        sims.push(sim);
    }
    Ok(sims)
}
