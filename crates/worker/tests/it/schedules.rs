//! Random schedules: late events, events dated ahead of their persistence, short pages, refusals,
//! outages, cut bodies, refused cursors, crashes. What an org persisted is stored, each event once, in
//! the order of persistence, byte for byte.
//!
//! `COLLECTOR_TEST_SEEDS=5000` runs that many instead of 200; a failure names its seed, and
//! `COLLECTOR_TEST_FIRST_SEED=17 COLLECTOR_TEST_SEEDS=1` runs just that one.

use std::time::Duration;

use chrono::TimeDelta;
use model::credential::Secret;
use model::ids::{CredentialId, LogId, SourceId};
use model::job::JobKind;
use okta_sim::{Events, Fault, Injection, Sim, SimConfig};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::NewCredential;
use testkit::wait;

use crate::house::{House, PATIENCE, TOKEN, assert_same, event};
use crate::mortal::Mortal;

const SEEDS: u64 = 200;

/// Polls without faults after which everything must be stored.
const ENOUGH: usize = 30;

/// One org, one source, one seed.
struct World<'a> {
    house: &'a House,
    sim: Sim,
    source: SourceId,
    dice: StdRng,
    persisted: Vec<Vec<u8>>,
    worker: Option<Mortal>,
    /// Cursors are refused for good; so many requests had been made before.
    dead: Option<usize>,
}

impl<'a> World<'a> {
    async fn new(house: &'a House, seed: u64) -> Self {
        let mut config = SimConfig::with_token(TOKEN);
        config.clock = house.org().clock().clone();
        config.org.limits = okta_sim::RateLimits::half_of(100_000);
        config.org.id = format!("00o{seed:017}");
        let sim = Sim::start(config).await.expect("the simulator starts");
        let credential = NewCredential {
            name: format!("seed {seed}"),
            origin: sim.url(),
            secret: Secret::Ssws(TOKEN.into()),
        };
        let made = house.store.create_credential(house.tenant, credential);
        let credential = CredentialId(made.await.expect("a credential").id);
        let source = house.source_of(credential, &[]).await;
        house.park(JobKind::Poll, source.0).await;
        Self {
            house,
            sim,
            source,
            dice: StdRng::seed_from_u64(seed),
            persisted: Vec::new(),
            worker: None,
            dead: None,
        }
    }

    /// Some events come in, most of now, some late, some dated ahead, few undated.
    fn persist(&mut self) {
        let now = self.sim.org().clock().now();
        let count = self.dice.random_range(0..8);
        let mut lines = Vec::new();
        for _ in 0..count {
            let n = self.persisted.len() + lines.len();
            let off = match self.dice.random_range(0..10) {
                0..5 => -TimeDelta::milliseconds(self.dice.random_range(0..20_000)),
                5..8 => TimeDelta::seconds(self.dice.random_range(1..300)),
                _ => -TimeDelta::seconds(self.dice.random_range(60..10_000)),
            };
            let uuid = uuid::Builder::from_random_bytes(self.dice.random()).into_uuid();
            lines.push(if self.dice.random_ratio(1, 40) {
                format!(r#"{{"uuid":"{uuid}","eventType":"test.undated","n":{n}}}"#).into_bytes()
            } else {
                let published = (now + off).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
                event(&uuid.to_string(), &published, n)
            });
        }
        self.sim
            .org()
            .persist(Events::from_lines(&lines).expect("events"));
        self.persisted.extend(lines);
    }

    fn fault(&mut self) -> Injection {
        match self.dice.random_range(0..12) {
            0..2 => Fault::RefusedCursor.once(),
            2..4 => {
                self.dead = Some(self.sim.org().request_count());
                Fault::RefusedCursor.until_cleared()
            }
            4 => Fault::RateLimit.once(),
            5 => Fault::InternalError.once(),
            6 => Fault::Html(503).once(),
            7 => Fault::CutBody.once(),
            8 => Fault::TruncatedPage.once(),
            9 => Fault::NoNextLink.once(),
            10 => Fault::ConcurrencyLimit.once(),
            _ => Fault::LogServiceError.once(),
        }
    }

    /// A worker, perhaps one that dies soon.
    fn hire(&mut self) {
        let at = self.dice.random_ratio(1, 3).then(|| {
            let point = ["fetched", "in_commit", "committed"][self.dice.random_range(0..3)];
            let pass = self.dice.random_range(1..6);
            format!("{point}:{pass}").parse().expect("a point")
        });
        self.worker = Some(Mortal::start(self.house, at));
    }

    /// One poll, to its end or to the end of its worker.
    async fn poll(&mut self) {
        if self.worker.is_none() {
            self.hire();
        }
        let Some(worker) = &self.worker else { return };
        let (kind, subject) = (JobKind::Poll, self.source.0);
        let before = self.house.job(kind, subject).await.epoch;
        self.house.make_due(kind, subject).await;
        wait::until("the poll has ended", PATIENCE, async || {
            let job = self.house.job(kind, subject).await;
            worker.is_frozen() || (job.epoch > before && job.owner.is_none())
        })
        .await;
        let frozen = worker.is_frozen();
        self.bury();
        if frozen && let Some(worker) = self.worker.take() {
            worker.end(self.house).await;
            // Until its lease has run out.
            self.house.time.advance(Duration::from_secs(65)).await;
        }
    }

    /// A dead cursor stays dead; only who asks without one gets another.
    fn bury(&mut self) {
        let Some(before) = self.dead else { return };
        let requests = self.sim.org().requests();
        let without =
            |target: &str| target.starts_with("/api/v1/logs") && !target.contains("after=");
        if requests
            .iter()
            .skip(before)
            .any(|request| without(&request.target))
        {
            self.sim.org().clear_faults();
            self.dead = None;
        }
    }

    async fn pass(&mut self, longest: u64) {
        let seconds = self.dice.random_range(0..longest);
        self.house.time.advance(Duration::from_secs(seconds)).await;
    }

    async fn stored(&self) -> Vec<Vec<u8>> {
        let log = self.house.log(self.source).await;
        let store = &self.house.store;
        let batches = store.batches(
            self.house.tenant,
            LogId(log.id),
            log.first_day,
            1,
            log.next_number,
        );
        let batches = batches.await.expect("batches");
        let lines = batches.iter().flat_map(|batch| {
            let ndjson: &[u8] = batch.ndjson.as_ref();
            ndjson
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
        });
        lines.map(<[u8]>::to_vec).collect()
    }
}

async fn run(house: &House, seed: u64) {
    let mut world = World::new(house, seed).await;
    for _ in 0..world.dice.random_range(3..7) {
        for _ in 0..world.dice.random_range(1..4) {
            world.persist();
            world.pass(150).await;
        }
        if world.dice.random_ratio(2, 3) {
            let most = world.dice.random_range(1..4);
            world.sim.org().inject(Fault::ShortPage(most).times(4));
        }
        for _ in 0..world.dice.random_range(0..3) {
            let fault = world.fault();
            world.sim.org().inject(fault);
        }
        for _ in 0..world.dice.random_range(1..3) {
            world.poll().await;
        }
    }
    if world.dead.is_none() {
        world.sim.org().clear_faults();
    }
    for _ in 0..ENOUGH {
        if world.stored().await.len() >= world.persisted.len() {
            break;
        }
        world.pass(90).await;
        world.poll().await;
    }
    // What is stored twice or comes late would show now.
    world.poll().await;
    if let Some(worker) = world.worker.take() {
        worker.end(house).await;
    }
    tracing::info!(seed, events = world.persisted.len(), "compared");
    let stored = world.stored().await;
    let told = std::panic::catch_unwind(|| assert_same(&stored, &world.persisted));
    assert!(told.is_ok(), "seed {seed}: not what the org persisted");
}

/// Every fourth seed, so that the machine's cores share them.
async fn quarter(number: u64) {
    let first = testkit::data::number("COLLECTOR_TEST_FIRST_SEED").unwrap_or(0);
    let seeds = testkit::data::number("COLLECTOR_TEST_SEEDS").unwrap_or(SEEDS);
    let house = House::new().await;
    for seed in (first..first + seeds).filter(|seed| seed % 4 == number) {
        run(&house, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_org_persists_is_stored_once_in_order_first_quarter() {
    quarter(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_org_persists_is_stored_once_in_order_second_quarter() {
    quarter(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_org_persists_is_stored_once_in_order_third_quarter() {
    quarter(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_org_persists_is_stored_once_in_order_last_quarter() {
    quarter(3).await;
}
