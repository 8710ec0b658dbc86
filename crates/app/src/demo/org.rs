//! The Okta org of the demo: a simulated one over TCP, or a real one.

use anyhow::Context;
use chrono::TimeDelta;
use okta_sim::{Events, Generator, OrgConfig, Rate, RateLimits, Sim, SimConfig};
use secrecy::SecretString;

use crate::cli;
use crate::commands::read_events;

/// Events that a generated org has from the start, and how far apart they are.
const BACKLOG: i32 = 400;
const APART_MS: i64 = 1500;
/// Requests a minute: Okta's limits must not be what the demo shows.
const GENEROUS: u32 = 1_000_000;

/// What is polled.
pub(super) struct Org {
    pub(super) domain: String,
    pub(super) token: SecretString,
    sim: Option<Sim>,
    what: String,
}

impl Org {
    pub(super) async fn start(options: &cli::Demo) -> anyhow::Result<Self> {
        if let (Some(domain), Some(file)) = (&options.okta_domain, &options.okta_token_file) {
            let token = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the token from {}", file.display()))?;
            return Ok(Self {
                domain: domain.clone(),
                token: token.trim().into(),
                sim: None,
                what: domain.clone(),
            });
        }
        if let Some(file) = &options.events {
            let events = read_events(file.clone()).await?;
            let what = format!("{} events of {}", events.len(), file.display());
            return Self::simulate(events, None, &what).await;
        }
        let rate = Rate {
            per_second: options.rate,
            seed: 1,
        };
        let what = format!("{BACKLOG} events and {} more a second", options.rate);
        Self::simulate(Events::default(), Some(rate), &what).await
    }

    /// A simulated org that shows these events, and at a rate more; with a rate it has a past.
    pub(super) async fn simulate(
        events: Events,
        rate: Option<Rate>,
        what: &str,
    ) -> anyhow::Result<Self> {
        let token = format!("00{}", uuid::Uuid::new_v4().simple());
        let limits = RateLimits::half_of(GENEROUS);
        let org = OrgConfig {
            limits,
            rate,
            ..OrgConfig::with_token(&token)
        };
        let sim = Sim::start(SimConfig {
            org,
            ..SimConfig::default()
        })
        .await?;
        sim.org().persist(events);
        if rate.is_some() {
            sim.org().persist(backlog(&sim)?);
        }
        Ok(Self {
            domain: sim.url(),
            token: token.into(),
            what: format!("simulated at {}: {what}", sim.url()),
            sim: Some(sim),
        })
    }

    pub(super) fn sim(&self) -> Option<&Sim> {
        self.sim.as_ref()
    }

    pub(super) fn describe(&self) -> &str {
        &self.what
    }

    /// The simulator's own count of its events.
    pub(super) fn published(&self) -> Option<u64> {
        self.sim().map(|sim| sim.org().published_count())
    }

    /// Its count of events that repeat an earlier one byte for byte.
    pub(super) fn repeats(&self) -> Option<u64> {
        self.sim().map(|sim| sim.org().repeat_count())
    }

    /// How many events nobody has read.
    pub(super) fn unread(&self) -> u64 {
        self.sim().map_or(0, |sim| sim.org().unread())
    }

    /// Whether the last page served was the empty one at the end.
    pub(super) fn head(&self) -> bool {
        self.sim().is_none_or(|sim| sim.org().head_reached())
    }

    pub(super) fn requests(&self) -> usize {
        self.sim().map_or(0, |sim| sim.org().request_count())
    }

    /// Stops serving; the counts are gone with it.
    pub(super) async fn stop(&mut self) {
        if let Some(sim) = self.sim.take() {
            sim.stop().await;
        }
    }
}

/// Events of the last minutes.
fn backlog(sim: &Sim) -> anyhow::Result<Events> {
    let mut generator = Generator::new(2);
    let now = sim.org().clock().now();
    let ages = (1..=BACKLOG)
        .rev()
        .map(|n| TimeDelta::milliseconds(APART_MS) * n);
    Ok(Events::from_lines(
        ages.map(|age| generator.event(now - age)),
    )?)
}
