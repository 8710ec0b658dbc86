//! Leases against a model: random commands on PostgreSQL and on a few lines of Rust, compared.

use std::time::Duration;

use model::ids::SourceId;
use model::job::{Fence, JobKind, Outcome};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::time::Time;
use uuid::Uuid;

use crate::common::{House, MINUTE, done, failed, snoozed};

const JOBS: usize = 3;
const LEASE: Duration = Duration::from_mins(1);
/// Longer than one command takes, shorter than anything the commands wait for.
const SLACK: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
enum Command {
    Claim { owner: i64 },
    Beat { holder: usize },
    End { holder: usize, outcome: Outcome },
    GiveBack { holder: usize },
    PokeByOperator { job: usize },
    Pause { job: usize, paused: bool },
    Advance(Duration),
}

fn command() -> impl Strategy<Value = Command> {
    let outcome = prop_oneof![
        Just(done(Duration::ZERO)),
        Just(done(10 * MINUTE)),
        Just(failed(5 * MINUTE)),
        Just(snoozed(5 * MINUTE)),
    ];
    prop_oneof![
        4 => (1..4i64).prop_map(|owner| Command::Claim { owner }),
        2 => (0..8usize).prop_map(|holder| Command::Beat { holder }),
        4 => (0..8usize, outcome).prop_map(|(holder, outcome)| Command::End { holder, outcome }),
        1 => (0..8usize).prop_map(|holder| Command::GiveBack { holder }),
        1 => (0..JOBS).prop_map(|job| Command::PokeByOperator { job }),
        1 => (0..JOBS, any::<bool>()).prop_map(|(job, paused)| Command::Pause { job, paused }),
        3 => (1..8u32).prop_map(|n| Command::Advance(n * 2 * MINUTE)),
        2 => Just(Command::Advance(MINUTE / 2)),
    ]
}

/// What a job should be. Times are what the test has advanced by.
#[derive(Debug, Clone, Default)]
struct Model {
    /// When it is due; while leased, when the lease ends.
    at: Duration,
    due: Duration,
    parked: bool,
    paused: bool,
    epoch: i64,
    owner: Option<i64>,
    attempt: i32,
    lost: i32,
    poked: bool,
}

impl Model {
    fn claim(&mut self, owner: i64, now: Duration) -> bool {
        if self.parked || self.at > now + SLACK {
            return false;
        }
        let after_loss = self.owner.is_some();
        self.epoch += 1;
        self.attempt += 1;
        self.lost += i32::from(after_loss);
        self.poked = false;
        if self.paused && after_loss {
            (self.owner, self.parked) = (None, true);
            return false;
        }
        (self.owner, self.at) = (Some(owner), now + LEASE);
        true
    }

    fn end(&mut self, outcome: Outcome, now: Duration) {
        let (wait, attempt, lost) = match outcome {
            Outcome::Done { next } => (next, 0, 0),
            Outcome::Snoozed { wait } => (wait, (self.attempt - 1).max(0), 0),
            Outcome::Failed { wait } => (
                wait,
                self.attempt,
                if self.lost >= 5 { self.lost } else { 0 },
            ),
        };
        (self.attempt, self.lost, self.owner) = (attempt, lost, None);
        self.due = if self.poked { now } else { now + wait };
        (self.at, self.parked, self.poked) = (self.due, self.paused, false);
    }

    fn give_back(&mut self, now: Duration) {
        (self.owner, self.attempt) = (None, (self.attempt - 1).max(0));
        (self.at, self.parked) = (now, self.paused);
    }

    fn poke(&mut self, now: Duration) {
        if self.owner.is_some() {
            self.poked = true;
        } else {
            self.due = self.due.min(now);
            // What is parked sits at infinity.
            self.at = if self.parked { now } else { self.at.min(now) };
            self.parked = false;
        }
    }

    fn pause(&mut self, paused: bool) {
        if self.paused == paused {
            return;
        }
        self.paused = paused;
        if self.owner.is_none() {
            self.parked = paused;
            self.at = self.due;
        }
    }
}

/// The database and the model, side by side.
struct Pair {
    house: House,
    time: Time,
    sources: Vec<Uuid>,
    models: Vec<Model>,
    now: Duration,
    /// Every lease ever given, also those long lost: late writers.
    leases: Vec<(usize, Fence)>,
}

impl Pair {
    async fn new() -> Self {
        let (house, time) = House::with_time().await;
        let mut sources = Vec::new();
        for n in 0..JOBS {
            sources.push(house.source(&format!("source{n}")).await.id);
        }
        Self {
            house,
            time,
            sources,
            models: vec![Model::default(); JOBS],
            now: Duration::ZERO,
            leases: Vec::new(),
        }
    }

    async fn run(&mut self, command: Command) -> Result<(), TestCaseError> {
        let (tenant, store) = (self.house.tenant, self.house.store.clone());
        match command {
            Command::Claim { owner } => self.claim(owner).await,
            Command::Beat { holder } => self.beat(holder).await,
            Command::End { holder, outcome } => self.end(holder, outcome).await,
            Command::GiveBack { holder } => self.give_back(holder).await,
            Command::PokeByOperator { job } => {
                let poked = store.run_now(tenant, JobKind::Poll, self.sources[job]);
                poked.await.unwrap();
                self.models[job].poke(self.now);
                Ok(())
            }
            Command::Pause { job, paused } => {
                let id = SourceId(self.sources[job]);
                let set = store.set_source_enabled(tenant, id, !paused);
                set.await.unwrap();
                let was = self.models[job].paused;
                self.models[job].pause(paused);
                if was && !paused {
                    // Resuming pokes as well.
                    self.models[job].poke(self.now);
                }
                Ok(())
            }
            Command::Advance(by) => {
                self.time.advance(by).await;
                self.now += by;
                Ok(())
            }
        }
    }

    async fn claim(&mut self, owner: i64) -> Result<(), TestCaseError> {
        let claimed = self.house.claim(owner, LEASE, JobKind::Poll).await;
        let mut expected: Vec<usize> = Vec::new();
        for (n, model) in self.models.iter_mut().enumerate() {
            if model.claim(owner, self.now) {
                expected.push(n);
            }
        }
        let mut got = Vec::new();
        for lease in claimed {
            let n = self.sources.iter().position(|id| *id == lease.subject);
            let (n, fence) = (n.expect("one of ours"), lease.fence);
            let model = &self.models[n];
            let expected = (model.epoch, owner, model.attempt, model.lost);
            let seen = (fence.epoch, fence.owner, lease.attempt, lease.lost);
            prop_assert_eq!(seen, expected, "job {}", n);
            let mut before = self.leases.iter().filter(|(m, _)| *m == n);
            prop_assert!(
                before.all(|(_, old)| old.epoch < fence.epoch),
                "epochs grow"
            );
            got.push(n);
            self.leases.push((n, fence));
        }
        got.sort_unstable();
        prop_assert_eq!(got, expected, "all that is due, and nothing else");
        Ok(())
    }

    /// One of the last leases, and its job's model if it still holds.
    fn holder(&mut self, n: usize) -> Option<(Fence, Option<&mut Model>)> {
        let (job, fence) = self.leases.iter().rev().nth(n).copied()?;
        let model = &mut self.models[job];
        let holds = model.epoch == fence.epoch && model.owner == Some(fence.owner);
        Some((fence, holds.then_some(model)))
    }

    async fn beat(&mut self, holder: usize) -> Result<(), TestCaseError> {
        let (store, now) = (self.house.store.clone(), self.now);
        let Some((fence, model)) = self.holder(holder) else {
            return Ok(());
        };
        let lost = store.heartbeat(fence.owner, LEASE, &[fence]).await.unwrap();
        prop_assert_eq!(lost.is_empty(), model.is_some());
        if let Some(model) = model {
            model.at = now + LEASE;
        }
        Ok(())
    }

    async fn end(&mut self, holder: usize, outcome: Outcome) -> Result<(), TestCaseError> {
        let (house, now) = (self.house.clone(), self.now);
        let Some((fence, model)) = self.holder(holder) else {
            return Ok(());
        };
        let accepted = house.end_as(fence, outcome, None).await;
        prop_assert_eq!(accepted, model.is_some(), "late ends are refused");
        if let Some(model) = model {
            model.end(outcome, now);
        }
        Ok(())
    }

    async fn give_back(&mut self, holder: usize) -> Result<(), TestCaseError> {
        let (store, now) = (self.house.store.clone(), self.now);
        let Some((fence, model)) = self.holder(holder) else {
            return Ok(());
        };
        let given = store.give_back(fence.owner, &[fence]).await.unwrap();
        prop_assert_eq!(given, usize::from(model.is_some()));
        if let Some(model) = model {
            model.give_back(now);
        }
        Ok(())
    }
}

async fn check(commands: Vec<Command>) -> Result<(), TestCaseError> {
    let mut pair = Pair::new().await;
    for command in commands {
        pair.run(command).await?;
    }
    Ok(())
}

#[test]
fn leases_do_what_the_model_does() {
    let config = Config {
        cases: 24,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let commands = prop::collection::vec(command(), 10..60);
    let run = |commands| runtime.block_on(check(commands));
    TestRunner::new(config)
        .run(&commands, run)
        .unwrap_or_else(|error| panic!("{error}"));
}
