//! A live feed: how long an event takes from the org to the receiver, beyond the waiting for a poll.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use okta_sim::{Events, Generator};

use super::To;
use super::scene::{Arrivals, Scene, until, uuid_of};

/// How often the org takes events in.
const TICK: Duration = Duration::from_millis(50);
/// How long the last events may take: a refresh and a bit.
const REST: Duration = Duration::from_secs(30);

pub(super) struct Outcome {
    rate: u32,
    events: usize,
    missing: usize,
    /// From "persisted at Okta" to "received", sorted.
    whole: Vec<Duration>,
    /// From the poll that could show the event to "received", sorted.
    beyond: Vec<Duration>,
}

impl Outcome {
    pub(super) fn complete(&self) -> bool {
        self.missing == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |all: &[Duration], share: usize| {
            let at = (all.len() * share / 100).min(all.len().saturating_sub(1));
            all.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        writeln!(
            f,
            "live feed of {} events/s, {} events, refresh 10 s: missing {}",
            self.rate, self.events, self.missing
        )?;
        writeln!(
            f,
            "persisted to received:   p50 {:.0} ms  p99 {:.0} ms",
            ms(&self.whole, 50),
            ms(&self.whole, 99)
        )?;
        write!(
            f,
            "beyond the refresh:      p50 {:.1} ms  p99 {:.1} ms",
            ms(&self.beyond, 50),
            ms(&self.beyond, 99)
        )
    }
}

pub(super) async fn run(rate: u32, time: Duration) -> anyhow::Result<Outcome> {
    eprintln!("live: {rate} events/s for {time:?}");
    let arrivals = Arrivals::default();
    let scene = Scene::new(Some(arrivals.hook())).await?;
    scene.source(To::Webhook).await;
    let worker = scene.fleet.worker(&[]);
    let org = scene.sim.org();
    // One pair of the two clocks: the org's and that of the receiver.
    let (zero, zero_at) = (org.clock().now(), Instant::now());
    let instant = |at: DateTime<Utc>| zero_at + (at - zero).to_std().unwrap_or_default();

    let mut generator = Generator::new(7);
    let mut persisted: HashMap<String, Instant> = HashMap::new();
    let mut next = tokio::time::interval(TICK);
    let mut made = 0.0;
    while zero_at.elapsed() < time {
        next.tick().await;
        let due = zero_at.elapsed().as_secs_f64() * f64::from(rate);
        let mut events = Vec::new();
        while made < due {
            events.push(generator.event(org.clock().now()));
            made += 1.0;
        }
        let at = Instant::now();
        persisted.extend(events.iter().map(|event| (uuid_of(event), at)));
        org.persist(Events::from_lines(&events)?);
    }
    until(REST, || {
        scene.receiver.inbox().counts().distinct >= persisted.len() as u64
    })
    .await;

    let polls: Vec<Instant> = org
        .requests()
        .iter()
        .filter(|request| request.target.starts_with("/api/v1/logs"))
        .map(|request| instant(request.at))
        .collect();
    let mut seen: HashMap<String, Instant> = HashMap::new();
    for (uuid, at) in arrivals.all() {
        seen.entry(uuid).or_insert(at);
    }
    let (mut whole, mut beyond) = (Vec::new(), Vec::new());
    for (uuid, begun) in &persisted {
        let Some(received) = seen.get(uuid) else {
            continue;
        };
        whole.push(received.duration_since(*begun));
        // The first request after it was there shows it, or the pages before it.
        let poll = polls.iter().find(|poll| *poll >= begun).unwrap_or(begun);
        beyond.push(received.saturating_duration_since(*poll));
    }
    whole.sort_unstable();
    beyond.sort_unstable();
    drop(worker);
    let outcome = Outcome {
        rate,
        events: persisted.len(),
        missing: persisted.len() - whole.len(),
        whole,
        beyond,
    };
    scene.stop().await?;
    Ok(outcome)
}
