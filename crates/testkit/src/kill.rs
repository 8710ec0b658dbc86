//! The kill story: real workers are ended by SIGKILL at named points and at random moments while
//! events flow; the ledgers of the simulator and of the output files decide what became of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::iter::{Copied, Cycle};
use std::path::Path;
use std::slice::Iter;
use std::time::Duration;

use okta_sim::{Events, Fault, Generator, RateLimits, Sim, SimConfig};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio_postgres::Client;

use crate::fleet::{Fleet, Program};
use crate::postgres::connect;
use crate::process::Process;
use crate::wait;

const TOKEN: &str = "00token-of-the-kill-story";
const POINTS: [&str; 5] = [
    "fetched",
    "in_commit",
    "committed",
    "sent",
    "before_position",
];
const SOURCES: usize = 3;
/// Events taken in before each kill, in pages of this many.
const EVENTS: usize = 600;
const PAGE: usize = 100;
/// How long anything may take.
const LIMIT: Duration = Duration::from_mins(2);

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program.
    pub program: Program,
    /// An empty database.
    pub database_url: String,
    /// How many workers to kill.
    pub kills: usize,
    /// Makes the story repeatable, as far as processes are.
    pub seed: u64,
}

/// What became of the events.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Workers killed.
    pub kills: usize,
    /// Of these at a named point, by point.
    pub at_points: BTreeMap<String, usize>,
    /// Events of the org.
    pub published: usize,
    /// Source by source: published events that are not stored.
    pub not_stored: usize,
    /// Source by source: events stored more than once.
    pub stored_twice: usize,
    /// Route by route: published events that are not in the file.
    pub lost: usize,
    /// Route by route: events that came before an earlier one, not counting repeats.
    pub out_of_order: usize,
    /// Route by route: lines of a file that are no published event.
    pub altered: usize,
    /// Per route the most often that it went back and sent again, and the most events in one such repeat.
    pub repeats: usize,
    /// See `repeats`.
    pub longest_repeat: usize,
    /// Lines that repeat an earlier one, all routes together.
    pub doubled: usize,
    /// The most events that one delivery batch may hold.
    pub batch_limit: usize,
}

impl Outcome {
    /// Kills at named points.
    pub fn at_points(&self) -> usize {
        self.at_points.values().sum()
    }

    /// Whether the promise was kept: nothing lost, nothing stored twice, nothing altered, and per
    /// route and kill at most one delivery batch sent again.
    pub fn kept(&self) -> bool {
        self.lost + self.not_stored + self.stored_twice + self.out_of_order + self.altered == 0
            && self.repeats <= self.kills
            && self.longest_repeat <= self.batch_limit
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "kills {} ({} at named points: {:?})",
            self.kills,
            self.at_points(),
            self.at_points
        )?;
        writeln!(
            f,
            "events {} to {SOURCES} sources with one route each",
            self.published
        )?;
        writeln!(
            f,
            "lost {} not stored {} stored twice {} out of order {} altered {}",
            self.lost, self.not_stored, self.stored_twice, self.out_of_order, self.altered
        )?;
        write!(
            f,
            "delivered twice {} events; most repeats of a route {} (allowed: one per kill), longest {} events",
            self.doubled, self.repeats, self.longest_repeat
        )
    }
}

struct Story {
    fleet: Fleet,
    sim: Sim,
    sources: Vec<String>,
    chance: StdRng,
    generator: Generator,
    made: i64,
    published: Vec<Vec<u8>>,
    points: Cycle<Copied<Iter<'static, &'static str>>>,
}

/// Tells the story.
///
/// # Panics
/// If something does not come up, or events stop flowing.
pub async fn run(plan: &Plan, mut told: impl FnMut(&str)) -> Outcome {
    let mut story = Story::begin(plan).await;
    let mut outcome = Outcome {
        batch_limit: 10_000,
        ..Outcome::default()
    };
    let mut steady = story.fleet.worker(&[]);
    while outcome.kills < plan.kills {
        let at_point = outcome.kills.is_multiple_of(2);
        let killed = if at_point {
            story.kill_at_point().await
        } else {
            story.kill_at_random(&mut steady).await
        };
        outcome.kills += 1;
        told(&format!(
            "kill {} of {}: {}",
            outcome.kills,
            plan.kills,
            killed.as_deref().unwrap_or("at random")
        ));
        if let Some(point) = killed {
            *outcome.at_points.entry(point).or_default() += 1;
        }
    }
    story.finish(&plan.database_url).await;
    story.judge(&plan.database_url, &mut outcome).await;
    outcome
}

impl Story {
    async fn begin(plan: &Plan) -> Self {
        let mut config = SimConfig::with_token(TOKEN);
        config.org.limits = RateLimits::half_of(1_000_000);
        let sim = Sim::start(config).await.expect("the simulator starts");
        sim.org().inject(Fault::ShortPage(PAGE).until_cleared());
        let slots = [
            ("COLLECTOR_LEASE", "2s"),
            ("COLLECTOR_POLL_SLOTS", "2"),
            ("COLLECTOR_DELIVER_SLOTS", "8"),
        ];
        let fleet = Fleet::start(&plan.program, &plan.database_url, &slots).await;
        let mut sources = Vec::new();
        for n in 0..SOURCES {
            let file = fleet.file(&format!("{n}.ndjson")).await;
            sources.push(
                fleet
                    .source(&format!("source {n}"), &sim.url(), TOKEN, &[file])
                    .await,
            );
        }
        let chance = StdRng::seed_from_u64(plan.seed);
        Self {
            fleet,
            sim,
            sources,
            chance,
            generator: Generator::new(plan.seed),
            made: 0,
            published: Vec::new(),
            points: POINTS.iter().copied().cycle(),
        }
    }

    /// New events in the org, and a poll of every source.
    async fn feed(&mut self) {
        self.take_in();
        self.poll_all().await;
    }

    /// New events in the org.
    fn take_in(&mut self) {
        let events: Vec<Vec<u8>> = (0..EVENTS)
            .map(|_| {
                self.made += 1;
                self.generator
                    .event(okta_sim::base_time() + Duration::from_millis(self.made.unsigned_abs()))
            })
            .collect();
        self.sim
            .org()
            .persist(Events::from_lines(&events).expect("generated events are events"));
        self.published.extend(events);
    }

    /// A poll of every source. Waits for a worker that stands still in a transaction.
    async fn poll_all(&self) {
        for source in &self.sources {
            self.fleet
                .post(&format!("/v1/sources/{source}/poll"), &json!({}))
                .await;
        }
    }

    /// A worker of its own that stands still at a point, one after the other, and dies there.
    async fn kill_at_point(&mut self) -> Option<String> {
        let point = self.points.next().unwrap_or("sent");
        let pass = self.chance.random_range(1..=4);
        let mut victim = self
            .fleet
            .worker(&[("COLLECTOR_TEST_STOP_AT", &format!("{point}:{pass}"))]);
        let reached = |victim: &Process| {
            victim
                .lines()
                .iter()
                .any(|line| line.contains("stopped at"))
        };
        let deadline = tokio::time::Instant::now() + LIMIT;
        while !reached(&victim) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "no worker came to {point}; it said {:?}",
                victim.lines()
            );
            // Fed until it has had its turn: the other worker takes jobs too.
            self.take_in();
            tokio::select! {
                () = self.poll_all() => {}
                () = wait::until("a worker came to its point", LIMIT, async || reached(&victim)) => break,
            }
            self.some_progress(EVENTS / 2, || reached(&victim)).await;
        }
        victim.kill().await;
        Some(point.to_owned())
    }

    /// The other worker dies after a random number of further events, and is replaced.
    async fn kill_at_random(&mut self, steady: &mut Process) -> Option<String> {
        self.feed().await;
        let events = self.chance.random_range(1..EVENTS);
        self.some_progress(events, || false).await;
        steady.kill().await;
        *steady = self.fleet.worker(&[]);
        None
    }

    /// Waits until the output files together have grown by about so many events, or something else is
    /// true, or everything is delivered. Together, so that not every kill hits the same route: a job
    /// that loses its worker five times in a row is quarantined.
    async fn some_progress(&self, events: usize, or: impl Fn() -> bool) {
        let output = |n| self.fleet.output(&format!("{n}.ndjson"));
        let size = || {
            (0..SOURCES)
                .map(|n| std::fs::metadata(output(n)).map_or(0, |file| file.len()))
                .sum::<u64>()
        };
        let whole: usize = self.published.iter().map(|event| event.len() + 1).sum();
        let goal = (size() + 1_800 * events as u64).min((whole * SOURCES) as u64);
        wait::until("events flow", LIMIT, async || or() || size() >= goal).await;
    }

    /// Lets everything arrive with workers that nobody kills.
    async fn finish(&mut self, database_url: &str) {
        self.feed().await;
        let _one = self.fleet.worker(&[]);
        let _two = self.fleet.worker(&[]);
        let database = connect(database_url).await;
        let all = i64::try_from(self.published.len()).expect("a number of events");
        // A quarantined job comes again after minutes.
        wait::until("every event is stored and delivered", 5 * LIMIT, async || {
            let row = database
                .query_one("SELECT (SELECT min(stored) FROM logs), (SELECT min(delivered + dead) FROM routes)", &[])
                .await
                .expect("a row");
            let (stored, delivered): (i64, i64) = (row.get(0), row.get(1));
            if stored >= all && delivered >= all { Ok(()) } else { Err((stored, delivered, all)) }
        })
        .await;
    }

    async fn judge(&self, database_url: &str, outcome: &mut Outcome) {
        outcome.published = self.published.len();
        let database = connect(database_url).await;
        for source in &self.sources {
            let (stored, different) = stored_events(&database, source).await;
            outcome.not_stored += self.published.len().saturating_sub(different);
            outcome.stored_twice += stored.saturating_sub(different);
        }
        let places: HashMap<&[u8], usize> = self
            .published
            .iter()
            .zip(0..)
            .map(|(event, n)| (event.as_slice(), n))
            .collect();
        for n in 0..SOURCES {
            judge_file(&self.fleet.output(&format!("{n}.ndjson")), &places, outcome);
        }
    }
}

/// How many events are stored for a source, and how many different ones.
async fn stored_events(database: &Client, source: &str) -> (usize, usize) {
    let rows = database
        .query(
            "SELECT b.ids FROM batch_ids b WHERE b.source_id = $1::text::uuid",
            &[&source],
        )
        .await
        .expect("the stored identities");
    let mut stored = 0;
    let mut different = HashSet::new();
    for row in rows {
        let ids: Vec<u8> = row.get(0);
        for id in ids.chunks_exact(24) {
            stored += 1;
            different.insert(id.to_vec());
        }
    }
    (stored, different.len())
}

/// Reads a file as a route wrote it: every step back begins a repeat.
fn judge_file(file: &Path, places: &HashMap<&[u8], usize>, outcome: &mut Outcome) {
    let bytes = std::fs::read(file).expect("the output file");
    let mut seen = vec![false; places.len()];
    let (mut repeats, mut length) = (0, 0);
    let mut before = None;
    let mut next = 0;
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let Some(place) = places.get(line).copied() else {
            outcome.altered += 1;
            continue;
        };
        let again = seen.get(place).copied().unwrap_or(false);
        if again {
            outcome.doubled += 1;
            let goes_on = length > 0 && before == place.checked_sub(1);
            repeats += usize::from(!goes_on);
            length = if goes_on { length + 1 } else { 1 };
            outcome.longest_repeat = outcome.longest_repeat.max(length);
        } else {
            outcome.out_of_order += usize::from(place != next);
            next = place + 1;
            length = 0;
        }
        if let Some(seen) = seen.get_mut(place) {
            *seen = true;
        }
        before = Some(place);
    }
    outcome.repeats = outcome.repeats.max(repeats);
    outcome.lost += seen.iter().filter(|seen| !**seen).count();
}
