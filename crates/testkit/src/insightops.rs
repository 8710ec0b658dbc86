//! The InsightOps story: hostile events from a simulated org through real processes to a receiver that is
//! as strict as Rapid7's, while it answers 429, 503, resets connections on either side of keeping an
//! entry, is away for a while, and workers are ended by SIGKILL. Both ends' ledgers decide.

mod expected;
mod outcome;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use okta_sim::{Events, RateLimits, Sim, SimConfig};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use receiver::{Fault, Inbox, Receiver, ReceiverConfig, When};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fleet::{Fleet, Program};
use crate::hostile;
use crate::process::{Process, Signal};
use crate::wait;
use expected::{Expected, sha256};

pub use outcome::Outcome;

const OKTA_TOKEN: &str = "00token-of-the-insightops-story";
/// The end of a delivery, where a worker dies.
const POINTS: [&str; 2] = ["sent", "before_position"];
/// The most events of one delivery batch of this kind, and the requests under way at once.
const BATCH: u64 = 500;
const IN_FLIGHT: u64 = 8;
/// How long anything may take, over what is planned.
const LIMIT: Duration = Duration::from_mins(5);

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program.
    pub program: Program,
    /// An empty database.
    pub database_url: String,
    /// How many events the org shows.
    pub events: usize,
    /// How many workers to kill.
    pub kills: usize,
    /// How long the receiver answers 503 and nothing else.
    pub outage: Duration,
    /// Makes the story repeatable, as far as processes are.
    pub seed: u64,
}

struct Story {
    fleet: Fleet,
    _sim: Sim,
    receiver: Receiver,
    source: String,
    /// Entries that look shrunk.
    marked: Arc<Mutex<Vec<Vec<u8>>>>,
    chance: StdRng,
    worker: Process,
}

/// Tells the story.
///
/// # Panics
/// If something does not come up, or events stop flowing.
pub async fn run(plan: &Plan, mut told: impl FnMut(&str)) -> Outcome {
    let published = hostile::events(plan.events, plan.seed);
    let expected = Expected::of(&published);
    let mut story = Story::begin(plan, &published).await;
    let stages = plan.kills as u64 + 2;
    let mut outcome = Outcome {
        published: published.len(),
        distinct: expected.distinct(),
        ..Outcome::default()
    };
    story.make_trouble(plan);
    for stage in 1..stages {
        story.entries(plan.events as u64 * stage / stages / 2).await;
        if stage == stages / 2 {
            told(&format!(
                "{:?} of 503 after {} entries",
                plan.outage,
                story.inbox().counts().events
            ));
            story.outage(plan).await;
        } else {
            let point = story.kill(stage).await;
            outcome.kills += 1;
            told(&format!(
                "killed {point} after {} entries",
                story.inbox().counts().events
            ));
        }
    }
    story.finish(expected.distinct()).await;
    story.judge(&expected, &mut outcome).await;
    outcome
}

impl Story {
    async fn begin(plan: &Plan, published: &[Vec<u8>]) -> Self {
        let mut config = SimConfig::with_token(OKTA_TOKEN);
        config.org.limits = RateLimits::half_of(1_000_000);
        let sim = Sim::start(config).await.expect("the simulator starts");
        let events = Events::from_lines(published).expect("hostile events are events");
        sim.org().persist(events);

        let token = Uuid::from_u128(u128::from(plan.seed));
        let marked = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&marked);
        let receiver = Receiver::start(ReceiverConfig {
            tokens: vec![token],
            seed: plan.seed,
            on_event: Some(Arc::new(move |entry, _| {
                if contains(entry, b"\"_sha256\":") {
                    keep.lock().expect("nobody panicked").push(entry.to_vec());
                }
            })),
            ..ReceiverConfig::default()
        })
        .await
        .expect("the receiver starts");

        let settings = [("COLLECTOR_LEASE", "2s")];
        let fleet = Fleet::start(&plan.program, &plan.database_url, &settings).await;
        let destination = json!({
            "name": "insightops", "kind": "insightops",
            "insightops": { "base_url": receiver.url(), "token": token, "in_flight": IN_FLIGHT },
        });
        let destination = fleet.post("/v1/destinations", &destination).await;
        let destination = text(&destination, "id");
        let source = fleet
            .source("story", &sim.url(), OKTA_TOKEN, &[destination])
            .await;
        let worker = fleet.worker(&[]);
        Self {
            fleet,
            _sim: sim,
            receiver,
            source,
            marked,
            chance: StdRng::seed_from_u64(plan.seed),
            worker,
        }
    }

    fn inbox(&self) -> &Inbox {
        self.receiver.inbox()
    }

    /// Faults that go on all the time, rare enough to get anywhere.
    fn make_trouble(&self, plan: &Plan) {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more bits")]
        let about = |times: f64| times / plan.events as f64;
        let faults = [
            (Fault::too_many_requests(1), about(8.0)),
            (Fault::status(503), about(8.0)),
            (Fault::status(500), 0.002),
            (Fault::Reset(When::BeforeRecording), 0.003),
            (Fault::Reset(When::AfterRecording), 0.003),
        ];
        for (fault, share) in faults {
            self.inbox().inject(fault.until_cleared().share(share));
        }
    }

    /// Waits until so many entries have been kept.
    async fn entries(&self, count: u64) {
        wait::until("entries flow", LIMIT, async || {
            let counts = self.inbox().counts();
            if counts.events >= count {
                Ok(())
            } else {
                Err(counts)
            }
        })
        .await;
    }

    /// Nothing but 503 for a while; goes on when entries flow again.
    async fn outage(&self, plan: &Plan) {
        let inbox = self.inbox();
        inbox.clear_faults();
        inbox.inject(Fault::status(503).lasting(plan.outage));
        let before = inbox.counts().events;
        wait::until("entries flow again", plan.outage + LIMIT, async || {
            inbox.counts().events > before + 2 * IN_FLIGHT
        })
        .await;
        self.make_trouble(plan);
    }

    /// The only worker dies, at the end of a delivery or anywhere, and is replaced.
    async fn kill(&mut self, stage: u64) -> String {
        let point = POINTS
            .into_iter()
            .cycle()
            .nth(usize::try_from(stage / 2).unwrap_or(0));
        let point = point.filter(|_| stage.is_multiple_of(2));
        if let Some(point) = point {
            self.worker.signal(Signal::TERM);
            self.worker.wait(LIMIT).await;
            let armed = [("COLLECTOR_TEST_STOP_AT", &*format!("{point}:1"))];
            self.worker = self.fleet.worker(&armed);
            self.worker.wait_for_line("stopped at", LIMIT).await;
        } else {
            let more = self.chance.random_range(1..BATCH);
            self.entries(self.inbox().counts().events + more).await;
        }
        self.worker.kill().await;
        self.worker = self.fleet.worker(&[]);
        point.unwrap_or("at random").to_owned()
    }

    /// Waits until every event is delivered or dead.
    async fn finish(&self, distinct: usize) {
        let all = i64::try_from(distinct).expect("a number of events");
        wait::until("every event is settled", 6 * LIMIT, async || {
            let sums = self.ledger().await;
            let settled = sums.get("delivered").zip(sums.get("dead"));
            if settled.is_some_and(|(delivered, dead)| delivered + dead >= all) {
                Ok(())
            } else {
                Err((sums, self.inbox().counts()))
            }
        })
        .await;
    }

    /// The source's ledger, all hours together.
    async fn ledger(&self) -> HashMap<String, i64> {
        let mut sums = HashMap::new();
        for hour in self
            .list(&format!("/v1/sources/{}/ledger", self.source))
            .await
        {
            for (name, count) in hour.as_object().into_iter().flatten() {
                if let Some(count) = count.as_i64() {
                    *sums.entry(name.clone()).or_default() += count;
                }
            }
        }
        sums
    }

    /// All items of a list.
    async fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        let mark = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self
                .fleet
                .get(&format!("{path}{mark}limit=100{cursor}"))
                .await;
            items.extend(
                page.get("items")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    async fn judge(&self, expected: &Expected, outcome: &mut Outcome) {
        outcome.whole = self.inbox().compare(&expected.whole);
        outcome.oversized = expected.oversized.len();
        outcome.garbled = expected.garbled.len();
        outcome.receiver = self.inbox().counts();
        self.judge_marked(expected, outcome);
        self.judge_letters(expected, outcome).await;
        let sums = self.ledger().await;
        let sum = |name: &str| sums.get(name).copied().unwrap_or_default();
        outcome.stored = sum("stored");
        outcome.duplicate = sum("duplicate");
        outcome.delivered = sum("delivered");
        outcome.refused = sum("dead");
    }

    /// What is no event as it was sent must be a shrunk one.
    fn judge_marked(&self, expected: &Expected, outcome: &mut Outcome) {
        let marked = self.marked.lock().expect("nobody panicked");
        let whole: HashSet<&Vec<u8>> = expected.whole.iter().collect();
        let mut entries = 0;
        let mut arrived = HashSet::new();
        for entry in marked.iter().filter(|entry| !whole.contains(entry)) {
            entries += 1;
            match expected.shrunk(entry) {
                Some(digest) => _ = arrived.insert(digest),
                None => outcome.strangers += 1,
            }
        }
        outcome.shrunk = arrived.len();
        // Entries that are neither expected nor marked.
        outcome.strangers += outcome.whole.unexpected.saturating_sub(entries);
    }

    /// Broken text and the originals of what was shrunk, each once.
    async fn judge_letters(&self, expected: &Expected, outcome: &mut Outcome) {
        let mut originals = HashSet::new();
        let mut dead = HashSet::new();
        let routes = self
            .list(&format!("/v1/routes?source_id={}", self.source))
            .await;
        let route = text(routes.first().expect("the source has a route"), "id");
        for letter in self.list(&format!("/v1/routes/{route}/dead-letters")).await {
            let event = match letter.get("event_base64").and_then(Value::as_str) {
                Some(encoded) => STANDARD.decode(encoded).expect("base64 of an event"),
                None => text(&letter, "event").into_bytes(),
            };
            let right = match text(&letter, "kind").as_str() {
                "refused" => expected.garbled.contains(&event) && dead.insert(event),
                "shrunk" => {
                    let digest = sha256(&event);
                    expected.oversized.contains_key(&digest) && originals.insert(digest)
                }
                _ => false,
            };
            outcome.wrong_letters += usize::from(!right);
        }
        outcome.dead = dead.len();
        outcome.originals = originals.len();
    }
}

fn text(object: &Value, name: &str) -> String {
    let text = object.get(name).and_then(Value::as_str);
    text.expect("the API gives this field").to_owned()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
