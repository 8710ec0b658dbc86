//! The webhook stories: the real program delivers batches to receivers while the far end answers 503 in
//! the middle of a live feed, and while its worker is ended by SIGKILL in the middle of a backlog. The
//! receivers' ledgers decide, and every batch that came again must be one that had come before.

mod outcome;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use okta_sim::{Events, Generator, RateLimits, Sim, SimConfig};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use receiver::{Fault, Inbox, Receiver, ReceiverConfig};
use serde_json::{Value, json};

use crate::fleet::{Fleet, Program};
use crate::process::{Process, Signal};
use crate::wait;

pub use outcome::{Arrived, Outcome};

const TOKEN: &str = "00token-of-the-webhook-stories";
/// The most events of one delivery batch.
const BATCH: usize = 500;
/// How often a live feed shows new events and asks for a poll.
const BEAT: Duration = Duration::from_millis(250);
/// A kill at random comes up to so much after an arrival.
const ANYWHERE: Duration = Duration::from_millis(300);
/// How long anything may take, over what is planned.
const LIMIT: Duration = Duration::from_mins(5);

/// What both stories need.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program.
    pub program: Program,
    /// An empty database.
    pub database_url: String,
    /// How many events the org shows.
    pub events: usize,
    /// Makes the story repeatable, as far as processes are.
    pub seed: u64,
}

/// Events come at a steady rate for three times `outage`; in the middle of it the receiver answers 503
/// and nothing else for that long, and the status says so.
///
/// # Panics
/// If something does not come up, events stop flowing, or the status does not tell.
pub async fn outage(plan: &Plan, outage: Duration, mut told: impl FnMut(&str)) -> Outcome {
    let story = Story::begin(plan, &[], &[false]).await;
    let _worker = story.fleet.worker(&[]);
    let (published, recovered) =
        tokio::join!(story.feed(plan, 3 * outage), story.refuse(plan, outage));
    told(&format!(
        "{outage:?} of 503; the status said waiting; events flowed again {recovered:?} after it"
    ));
    story.settle(published.len()).await;
    story.judge(&published, 0, 0)
}

/// A backlog goes to two receivers, of which one drops batches whose key it knows, and the only worker is
/// killed and replaced again and again: in turn where a batch is confirmed and not yet noted, and anywhere.
///
/// # Panics
/// If something does not come up, or events stop flowing.
pub async fn kills(plan: &Plan, kills: usize, mut told: impl FnMut(&str)) -> Outcome {
    let published: Vec<Vec<u8>> = okta_sim::generate(plan.events, plan.seed).collect();
    let story = Story::begin(plan, &[("COLLECTOR_LEASE", "2s")], &[false, true]).await;
    story.show(&published);
    let mut chance = StdRng::seed_from_u64(plan.seed);
    let mut worker = story.fleet.worker(&[]);
    let mut at_sent = 0;
    for kill in 0..kills {
        let share = plan.events * (kill + 1) / (kills + 1);
        story.arrived(share + chance.random_range(0..BATCH)).await;
        let how = if kill.is_multiple_of(2) {
            at_sent += 1;
            let pass = chance.random_range(1..=3);
            worker = story.stopped_at_sent(worker, pass).await;
            "at sent"
        } else {
            // Always right behind an arrival, it would always be the same moment of a delivery.
            let moment = chance.random_range(Duration::ZERO..ANYWHERE);
            tokio::time::sleep(moment).await;
            "anywhere"
        };
        worker.kill().await;
        worker = story.fleet.worker(&[]);
        let events = story.first().counts().events;
        told(&format!("killed {how} after {events} events"));
    }
    story.settle(published.len()).await;
    story.judge(&published, kills, at_sent)
}

/// One far end, and what came to it: the hashes of each request's events.
struct End {
    receiver: Receiver,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// When a request had arrived, which tells it from others, and its events.
type Request = (Instant, Vec<u64>);

impl End {
    async fn start(dedupes: bool) -> Self {
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let keep = Arc::clone(&requests);
        let receiver = Receiver::start(ReceiverConfig {
            dedupe_batches: dedupes,
            on_event: Some(Arc::new(move |event, at| {
                let mut requests = keep.lock().expect("nobody panicked");
                match requests.last_mut() {
                    Some((same, events)) if *same == at => events.push(hash(event)),
                    _ => requests.push((at, vec![hash(event)])),
                }
            })),
            ..ReceiverConfig::default()
        })
        .await
        .expect("the receiver starts");
        Self { receiver, requests }
    }
}

struct Story {
    fleet: Fleet,
    sim: Sim,
    ends: Vec<End>,
    source: String,
}

impl Story {
    /// A source with a route to a receiver for each of `dedupes`. Nobody works yet.
    async fn begin(plan: &Plan, settings: &[(&str, &str)], dedupes: &[bool]) -> Self {
        let mut config = SimConfig::with_token(TOKEN);
        config.org.limits = RateLimits::half_of(1_000_000);
        let sim = Sim::start(config).await.expect("the simulator starts");
        let fleet = Fleet::start(&plan.program, &plan.database_url, settings).await;
        let mut ends = Vec::new();
        let mut destinations = Vec::new();
        for dedupes in dedupes {
            let end = End::start(*dedupes).await;
            let webhook =
                json!({ "url": format!("{}/", end.receiver.url()), "max_batch_events": BATCH });
            let name = format!("webhook {}", ends.len());
            let body = json!({ "name": name, "kind": "webhook", "webhook": webhook });
            let made = fleet.post("/v1/destinations", &body).await;
            destinations.push(text(&made, "/id"));
            ends.push(end);
        }
        let source = fleet
            .source("story", &sim.url(), TOKEN, &destinations)
            .await;
        Self {
            fleet,
            sim,
            ends,
            source,
        }
    }

    /// The receiver that counts all that comes.
    fn first(&self) -> &Inbox {
        let end = self.ends.first();
        end.expect("each story has a receiver").receiver.inbox()
    }

    /// Shows events to whoever polls.
    fn show(&self, events: &[Vec<u8>]) {
        let events = Events::from_lines(events).expect("generated events are events");
        self.sim.org().persist(events);
    }

    /// Shows all events at a steady rate and returns them.
    async fn feed(&self, plan: &Plan, length: Duration) -> Vec<Vec<u8>> {
        let mut generator = Generator::new(plan.seed);
        let mut published = Vec::with_capacity(plan.events);
        let mut beat = tokio::time::interval(BEAT);
        let beats = u32::try_from(length.as_millis() / BEAT.as_millis()).expect("a few beats");
        for n in 1..=beats {
            beat.tick().await;
            let due = plan.events * n as usize / beats as usize;
            let now = self.sim.org().clock().now();
            let new: Vec<_> = (published.len()..due)
                .map(|_| generator.event(now))
                .collect();
            self.show(&new);
            published.extend(new);
            let path = format!("/v1/sources/{}/poll", self.source);
            self.fleet.post(&path, &json!({})).await;
        }
        published
    }

    /// Refuses everything for a while, once a third of the events is there. Returns how long after its
    /// end events flowed again.
    async fn refuse(&self, plan: &Plan, outage: Duration) -> Duration {
        self.arrived(plan.events / 3).await;
        let begun = Instant::now();
        let refused = self.first().counts().faults;
        self.first().inject(Fault::status(503).until_cleared());
        wait::until("the status tells of the outage", LIMIT, async || {
            let status = self.status().await;
            let delivery = |name| text(&status, &format!("/delivery/{name}"));
            let tells = text(&status, "/polling/state") == "running"
                && delivery("state") == "waiting"
                && delivery("code") == "destination_unavailable"
                && !delivery("reason").is_empty()
                && delivery("routes/0/detail").contains("503");
            let again = self.first().counts().faults >= refused + 2;
            if tells && again { Ok(()) } else { Err(status) }
        })
        .await;
        tokio::time::sleep(outage.saturating_sub(begun.elapsed())).await;
        self.first().clear_faults();
        let outage = begun.elapsed();
        let before = self.first().counts().events;
        wait::until("events flow again", outage + LIMIT, async || {
            self.first().counts().events > before
        })
        .await;
        begun.elapsed().saturating_sub(outage)
    }

    /// Waits until so many events have arrived.
    async fn arrived(&self, events: usize) {
        wait::until("events flow", LIMIT, async || {
            let counts = self.first().counts();
            if counts.events >= events as u64 {
                Ok(())
            } else {
                Err(counts)
            }
        })
        .await;
    }

    /// Restarts the worker, as a deployment does, so that it stands still at the given pass of `sent`.
    async fn stopped_at_sent(&self, mut worker: Process, pass: u32) -> Process {
        worker.signal(Signal::TERM);
        worker.wait(LIMIT).await;
        let stop_at = format!("sent:{pass}");
        let worker = self.fleet.worker(&[("COLLECTOR_TEST_STOP_AT", &stop_at)]);
        worker.wait_for_line("stopped at", LIMIT).await;
        worker
    }

    async fn status(&self) -> Value {
        let path = format!("/v1/sources/{}/status", self.source);
        self.fleet.get(&path).await
    }

    /// Waits until every event is noted as delivered on every route, and the source has its check mark.
    async fn settle(&self, events: usize) {
        wait::until("every event is delivered", 2 * LIMIT, async || {
            let status = self.status().await;
            let delivered = |route| {
                let at = format!("/delivery/routes/{route}/delivered_events");
                status.pointer(&at).and_then(Value::as_u64) == Some(events as u64)
            };
            let running = status.get("running") == Some(&Value::Bool(true));
            if running && (0..self.ends.len()).all(delivered) {
                Ok(())
            } else {
                Err(status)
            }
        })
        .await;
    }

    fn judge(&self, published: &[Vec<u8>], kills: usize, at_sent: usize) -> Outcome {
        let judged = |end: &End| {
            let requests = end.requests.lock().expect("nobody panicked");
            Arrived::judge(end.receiver.inbox(), published, &requests)
        };
        Outcome {
            kills,
            at_sent,
            arrived: self.ends.iter().map(judged).collect(),
        }
    }
}

fn hash(event: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    event.hash(&mut hasher);
    hasher.finish()
}

/// The text at a place of an answer; empty if there is none.
fn text(answer: &Value, place: &str) -> String {
    let text = answer.pointer(place).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
