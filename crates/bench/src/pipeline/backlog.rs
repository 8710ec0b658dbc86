//! A backlog from its first page to its last delivered event.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use okta_sim::{Events, generate};
use testkit::postgres::connect;

use super::To;
use super::cost;
use super::scene::{OUTPUT, Scene, until};

/// The names of the columns of a result.
pub(super) const HEADER: &str = "destination  events     events/s  worker CPU s/M  postgres CPU s/M  both  worker MiB  WAL B/event  missing  repeated";

/// How long a backlog may take.
const LIMIT: Duration = Duration::from_mins(8);

pub(super) struct Outcome {
    to: To,
    events: usize,
    time: Duration,
    worker: Duration,
    postgres: Duration,
    memory: f64,
    wal: i64,
    missing: usize,
    repeated: u64,
}

impl Outcome {
    pub(super) fn complete(&self) -> bool {
        self.missing == 0
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millions = self.events as f64 / 1e6;
        let (worker, postgres) = (
            self.worker.as_secs_f64() / millions,
            self.postgres.as_secs_f64() / millions,
        );
        write!(
            f,
            "{:<11}  {:<9}  {:>8.0}  {worker:>14.2}  {postgres:>16.2}  {:>4.1}  {:>10.1}  {:>11.1}  {:>7}  {:>8}",
            self.to.as_str(),
            self.events,
            self.events as f64 / self.time.as_secs_f64(),
            worker + postgres,
            self.memory,
            self.wal as f64 / self.events as f64,
            self.missing,
            self.repeated,
        )
    }
}

pub(super) async fn run(to: To, count: usize, profile: Option<&Path>) -> anyhow::Result<Outcome> {
    eprintln!("{}: rendering {count} events", to.as_str());
    let scene = Scene::new(None).await?;
    let events: Vec<Vec<u8>> = generate(count, 1).collect();
    let bytes: u64 = events.iter().map(|event| event.len() as u64 + 1).sum();
    scene.sim.org().persist(Events::from_lines(&events)?);
    scene.sim.org().render_pages(1000);
    scene.source(to).await;
    let sql = connect(&scene.cluster.url("postgres")).await;
    sql.batch_execute("CHECKPOINT").await?;
    let folder = scene.cluster.folder().to_owned();
    let wal = async || -> anyhow::Result<i64> {
        let asked = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
        Ok(sql.query_one(asked, &[]).await?.get(0))
    };
    let (wal_before, postgres_before) = (wal().await?, cost::cluster_cpu(&folder)?);

    eprintln!("{}: running", to.as_str());
    let begun = Instant::now();
    // As the container image sets it.
    let worker = scene.fleet.worker(&[("MALLOC_ARENA_MAX", "2")]);
    let perf = profile.map(|file| perf(worker.id(), file)).transpose()?;
    let output = scene.fleet.output(OUTPUT);
    let arrived = || match to {
        To::File => std::fs::metadata(&output).is_ok_and(|file| file.len() >= bytes),
        To::Webhook | To::Insightops => scene.receiver.inbox().counts().distinct >= count as u64,
    };
    until(LIMIT, arrived).await;
    let time = begun.elapsed();
    let (spent, memory) = (
        cost::cpu(worker.id(), false)?,
        cost::peak_memory(worker.id())?,
    );
    let postgres = cost::cluster_cpu(&folder)?.saturating_sub(postgres_before);
    let wal = wal().await? - wal_before;
    if let Some(mut perf) = perf {
        perf.wait()?;
    }

    let (missing, repeated) = match to {
        To::File => judge_file(&output, &events)?,
        To::Webhook | To::Insightops => {
            let compared = scene.receiver.inbox().compare(&events);
            (
                compared.missing.len() + compared.unexpected,
                compared.repeats(),
            )
        }
    };
    drop(worker);
    scene.stop().await?;
    Ok(Outcome {
        to,
        events: count,
        time,
        worker: spent,
        postgres,
        memory,
        wal,
        missing,
        repeated,
    })
}

/// Whether the file is the events in their order, line by line: how many are not where they belong.
fn judge_file(output: &Path, events: &[Vec<u8>]) -> anyhow::Result<(usize, u64)> {
    let content = std::fs::read(output).context("the output file")?;
    let lines: Vec<&[u8]> = content
        .strip_suffix(b"\n")
        .unwrap_or(&content)
        .split(|byte| *byte == b'\n')
        .collect();
    let same = lines
        .iter()
        .zip(events)
        .filter(|(line, event)| *line == event);
    let repeated = lines.len().saturating_sub(events.len()) as u64;
    Ok((events.len() - same.count(), repeated))
}

/// Watches a process for ten seconds.
fn perf(pid: u32, file: &Path) -> anyhow::Result<std::process::Child> {
    let pid = pid.to_string();
    std::process::Command::new("perf")
        .args(["record", "-g", "-q", "-F", "199", "-p", &pid, "-o"])
        .arg(file)
        .args(["--", "sleep", "10"])
        .spawn()
        .context("perf cannot be started; is it installed?")
}
