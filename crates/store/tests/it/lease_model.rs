//! Leases against a model: random commands on PostgreSQL and on a few lines of Rust, compared.

use std::time::Duration;

use model::job::{Fence, JobKind, Outcome};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::Completion;

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
    fn holds(&self, fence: &Fence) -> bool {
        self.epoch == fence.epoch && self.owner == Some(fence.owner)
    }

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

async fn check(commands: Vec<Command>) -> Result<(), TestCaseError> {
    let (house, time) = House::with_time().await;
    let mut sources = Vec::new();
    let mut models = vec![Model::default(); JOBS];
    for n in 0..JOBS {
        sources.push(house.source(&format!("source{n}")).await.id);
    }
    let nth = |subject| {
        sources
            .iter()
            .position(|id| *id == subject)
            .expect("one of ours")
    };
    let mut now = Duration::ZERO;
    // Every lease ever given, also those long lost: late writers.
    let mut leases: Vec<(usize, Fence)> = Vec::new();
    let pick = |leases: &[(usize, Fence)], n: usize| leases.iter().rev().nth(n).copied();
    for command in commands {
        match command {
            Command::Claim { owner } => {
                let claimed = house.claim(owner, LEASE, JobKind::Poll).await;
                let mut expected: Vec<usize> = Vec::new();
                for (n, model) in models.iter_mut().enumerate() {
                    if model.claim(owner, now) {
                        expected.push(n);
                    }
                }
                let mut got = Vec::new();
                for lease in claimed {
                    let n = nth(lease.subject);
                    let seen = (
                        lease.fence.epoch,
                        lease.fence.owner,
                        lease.attempt,
                        lease.lost,
                    );
                    let model = &models[n];
                    prop_assert_eq!(
                        seen,
                        (model.epoch, owner, model.attempt, model.lost),
                        "job {}",
                        n
                    );
                    let grows = leases
                        .iter()
                        .all(|(m, old)| *m != n || old.epoch < lease.fence.epoch);
                    prop_assert!(grows, "epochs grow");
                    got.push(n);
                    leases.push((n, lease.fence));
                }
                got.sort_unstable();
                prop_assert_eq!(got, expected, "all that is due, nothing else");
            }
            Command::Beat { holder } => {
                let Some((n, fence)) = pick(&leases, holder) else {
                    continue;
                };
                let lost = house
                    .store
                    .heartbeat(fence.owner, LEASE, &[fence])
                    .await
                    .unwrap();
                prop_assert_eq!(lost.is_empty(), models[n].holds(&fence));
                if models[n].holds(&fence) {
                    models[n].at = now + LEASE;
                }
            }
            Command::End { holder, outcome } => {
                let Some((n, fence)) = pick(&leases, holder) else {
                    continue;
                };
                let end = Completion {
                    fence,
                    outcome,
                    failing: None,
                };
                let accepted = house.store.complete(fence.owner, &[end]).await.unwrap();
                prop_assert_eq!(
                    accepted.len(),
                    usize::from(models[n].holds(&fence)),
                    "late ends are refused"
                );
                if models[n].holds(&fence) {
                    models[n].end(outcome, now);
                }
            }
            Command::GiveBack { holder } => {
                let Some((n, fence)) = pick(&leases, holder) else {
                    continue;
                };
                let given = house.store.give_back(fence.owner, &[fence]).await.unwrap();
                prop_assert_eq!(given, usize::from(models[n].holds(&fence)));
                if models[n].holds(&fence) {
                    models[n].give_back(now);
                }
            }
            Command::PokeByOperator { job } => {
                house
                    .store
                    .run_now(house.tenant, JobKind::Poll, sources[job])
                    .await
                    .unwrap();
                models[job].poke(now);
            }
            Command::Pause { job, paused } => {
                // The pause alone: resuming through the store pokes as well.
                let id = model::ids::SourceId(sources[job]);
                let was = models[job].paused;
                house
                    .store
                    .set_source_enabled(house.tenant, id, !paused)
                    .await
                    .unwrap();
                models[job].pause(paused);
                if was && !paused {
                    models[job].poke(now);
                }
            }
            Command::Advance(by) => {
                time.advance(by).await;
                now += by;
            }
        }
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
