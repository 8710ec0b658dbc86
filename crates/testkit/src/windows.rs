//! The story of the windows: ten sources, two tokens of one org, three workers, and somebody else who
//! uses one of the tokens too. The org's own log says whether each window was used up to our part and
//! no further.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use okta_sim::{Events, Fault, RateLimits, RequestRecord, Sim, SimConfig, WindowStart, Windows};

use crate::fleet::{Fleet, Program};

const TOKENS: [&str; 2] = [
    "00the-first-token-of-the-windows",
    "00the-second-token-of-the-windows",
];
const SOURCES_OF_A_TOKEN: usize = 5;
const WORKERS: usize = 3;

/// Requests per window of one token: Okta's default in a workforce org.
const LIMIT: u32 = 60;

/// What others take of the first token's limit.
const STRANGERS: u32 = LIMIT / 5;

/// What is ours of a token's limit: nine tenths, what strangers use included.
const ALLOWED: u32 = LIMIT * 9 / 10;

/// How the story is told.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The product.
    pub program: Program,
    /// A database of its own.
    pub database_url: String,
    /// Whole windows to be judged.
    pub windows: u64,
    /// Seconds of a window; Okta's have 60.
    pub seconds: u32,
    /// Requests per window of the whole org, 120 by Okta's default. Nothing tells it to its users, and its
    /// windows begin when they like: with less than 180 a burst of a token may meet their edge.
    pub org_limit: u32,
    /// Percent of our part, strangers' use included, that is used at least while there is a backlog; 95 in
    /// Okta's windows. The seconds at their edges that headers cannot tell weigh more in short ones.
    pub enough: u32,
    /// Decides when the windows begin.
    pub seed: u64,
}

/// A window of one token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// By us.
    pub ours: u32,
    /// By others.
    pub strangers: u32,
    /// Of ours, refused.
    pub refused: u32,
}

/// What the org's log says.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// By token and number of the window; the first and the last are not whole.
    pub windows: Vec<Vec<Used>>,
}

impl Outcome {
    fn read(requests: &[RequestRecord], principals: &[String]) -> Self {
        let mut windows: Vec<BTreeMap<u64, Used>> = vec![BTreeMap::new(); principals.len()];
        for request in requests {
            let of = |id: &String| Some(id) == request.principal.as_ref();
            let Some(of) = principals.iter().position(of) else {
                continue;
            };
            let (Some(window), Some(token)) = (request.window, windows.get_mut(of)) else {
                continue;
            };
            if !request.target.starts_with("/api/v1/logs") {
                continue;
            }
            let used = token.entry(window.number).or_default();
            let agent = request.user_agent.as_deref().unwrap_or_default();
            if agent.starts_with("okta-collector") {
                used.ours += 1;
                used.refused += u32::from(request.status == Some(429));
            } else if request.status != Some(429) {
                used.strangers += 1;
            }
        }
        let windows = windows
            .into_iter()
            .map(|token| token.into_values().collect());
        Self {
            windows: windows.collect(),
        }
    }

    /// Windows from begin to end.
    fn whole(&self) -> impl Iterator<Item = (usize, usize, &Used)> {
        self.windows
            .iter()
            .enumerate()
            .flat_map(|(token, windows)| {
                let last = windows.len().saturating_sub(1);
                let numbered = windows.iter().enumerate();
                numbered
                    .filter(move |(number, _)| *number > 0 && *number < last)
                    .map(move |(number, used)| (token, number, used))
            })
    }

    /// What is not as promised, one line each.
    pub fn faults(&self, plan: &Plan) -> Vec<String> {
        let (windows, enough) = (plan.windows, ALLOWED * plan.enough / 100);
        let mut faults = Vec::new();
        for (token, used) in self.windows.iter().enumerate() {
            let refused: u32 = used.iter().map(|used| used.refused).sum();
            if refused > 0 {
                faults.push(format!(
                    "token {}: {refused} requests of ours were refused",
                    token + 1
                ));
            }
        }
        for (token, number, used) in self.whole() {
            let (sum, of) = (
                used.ours + used.strangers,
                format!("token {}, window {number}", token + 1),
            );
            if sum < enough {
                faults.push(format!("{of}: {sum} used, {enough} are the least"));
            }
            if used.ours > ALLOWED {
                faults.push(format!(
                    "{of}: {} of ours, {ALLOWED} are allowed",
                    used.ours
                ));
            }
        }
        let whole = u64::try_from(self.whole().count()).unwrap_or(u64::MAX);
        if whole < windows * 2 {
            faults.push(format!(
                "{whole} whole windows were seen, {} are needed",
                windows * 2
            ));
        }
        faults
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "token window  ours others refused of {LIMIT}")?;
        for (token, windows) in self.windows.iter().enumerate() {
            for (number, used) in windows.iter().enumerate() {
                let whole = number > 0 && number + 1 < windows.len();
                let Used {
                    ours,
                    strangers,
                    refused,
                } = used;
                let note = if whole { "" } else { " (not whole)" };
                writeln!(
                    f,
                    "{:>5} {number:>6} {ours:>5} {strangers:>6} {refused:>7}{note}",
                    token + 1
                )?;
            }
        }
        Ok(())
    }
}

/// Tells the story in real time: a little over `windows * seconds`.
///
/// # Panics
/// If the installation does not come up.
pub async fn tell(plan: &Plan) -> Outcome {
    let mut config = SimConfig::with_token(TOKENS[0]);
    config.org.tokens = TOKENS.map(str::to_owned).to_vec();
    config.org.limits = RateLimits {
        org: plan.org_limit,
        token: LIMIT,
    };
    config.org.windows = Windows {
        seconds: plan.seconds,
        start: WindowStart::Offset { seed: plan.seed },
    };
    config.org.keep_requests = 1_000_000;
    let sim = Sim::start(config).await.expect("the simulator starts");
    let org = sim.org();
    // More work than windows: every page holds one event.
    let backlog = (plan.windows + 3) * u64::from(LIMIT * 2);
    let backlog = usize::try_from(backlog).expect("a sane plan");
    let lines: Vec<Vec<u8>> = okta_sim::generate(backlog, plan.seed).collect();
    org.persist(Events::from_lines(&lines).expect("events"));
    org.inject(Fault::ShortPage(1).until_cleared());
    let principals = TOKENS.map(|token| org.token_id(token).expect("a token"));

    let fleet = Fleet::start(
        &plan.program,
        &plan.database_url,
        &[("COLLECTOR_LOG", "warn")],
    )
    .await;
    for token in TOKENS {
        for number in 0..SOURCES_OF_A_TOKEN {
            let name = format!("{number} of {token}");
            fleet.source(&name, &sim.url(), token, &[]).await;
        }
    }
    let workers: Vec<_> = (0..WORKERS).map(|_| fleet.worker(&[])).collect();

    let stranger = reqwest::Client::builder().user_agent("a stranger").build();
    let stranger = stranger.expect("a client");
    let url = format!("{}/api/v1/logs?limit=1", sim.url());
    let end = Instant::now() + Duration::from_secs((plan.windows + 2) * u64::from(plan.seconds));
    let pause = Duration::from_secs(u64::from(plan.seconds)) / STRANGERS;
    let mut ticks = tokio::time::interval(pause);
    while Instant::now() < end {
        ticks.tick().await;
        let asked = stranger
            .get(&url)
            .header("authorization", format!("SSWS {}", TOKENS[0]));
        // Whether it is refused is its own affair.
        drop(asked.send().await);
    }
    drop(workers);
    Outcome::read(&org.requests(), &principals)
}
