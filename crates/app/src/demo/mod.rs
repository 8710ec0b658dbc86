//! `demo`: the whole machine on a private database, with a simulated Okta org or a real one.
//!
//! Nothing here takes a short cut: what is set up goes through the HTTP API, events come over TCP, and
//! the counts at the end are taken at both ends. The cluster is gone after the demo, also after a
//! kill (a guard process sees to it, and the next start sweeps); the output stays.

mod client;
mod idle;
mod machine;
mod org;
mod place;
mod status;
mod view;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::cli;
use crate::commands::Settings;
use crate::{output, shutdown, telemetry};

use client::Client;
use idle::Idle;
use machine::Machine;
use org::Org;
use place::Place;
use status::Seen;
use view::View;

/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(250);
/// With nothing moving for this long, a demo that is to end by itself is stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the demo to its end.
pub(crate) async fn run(settings: &Settings, options: cli::Demo) -> anyhow::Result<ExitCode> {
    let run = Box::pin(run_here(settings, options));
    LocalSet::new().run_until(run).await
}

async fn run_here(settings: &Settings, options: cli::Demo) -> anyhow::Result<ExitCode> {
    let config = settings.load_with(&[], &[("telemetry.log", "warn")])?;
    telemetry::start_logs(&config.telemetry)?;
    let stop = shutdown::on_signal()?;
    let until_idle = options.until_idle;
    let starting = async {
        let place = Place::choose(options.output.as_deref())?;
        let org = Org::start(&options).await?;
        eprintln!("starting a private PostgreSQL, the API and a worker ...");
        let machine = Machine::start(config, &org, &place).await?;
        Demo::register(org, machine, place).await
    };
    let Some(demo) = stop.run_until_cancelled(starting).await else {
        eprintln!("ended before it had begun; nothing is left");
        return Ok(ExitCode::FAILURE);
    };
    let mut demo = demo?;
    let outcome = if until_idle {
        demo.prove(&stop).await
    } else {
        demo.live(&stop).await.map(|()| ExitCode::SUCCESS)
    };
    // Also after a failure: what was delivered stays, and the database goes.
    let ended = demo.end().await;
    let code = outcome?;
    ended?;
    Ok(code)
}

/// A running demo.
struct Demo {
    org: Org,
    machine: Machine,
    client: Client,
    place: Place,
    began: Instant,
}

/// What was counted at the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    /// By the simulator.
    published: u64,
    /// In the table.
    stored: u64,
    /// In the output.
    delivered: u64,
    /// By the simulator: events that repeat an earlier one byte for byte.
    duplicates: u64,
}

impl Counts {
    /// Whether nothing is lost and nothing is there twice.
    fn agree(self) -> bool {
        self.published == self.stored + self.duplicates && self.stored == self.delivered
    }
}

impl Demo {
    /// Makes credential, destination and source through the API; the first poll is at once.
    async fn register(org: Org, machine: Machine, place: Place) -> anyhow::Result<Self> {
        let client = Client::register(machine.api(), machine.key(), &org, &place).await?;
        Ok(Self {
            org,
            machine,
            client,
            place,
            began: Instant::now(),
        })
    }

    /// Shows what happens until somebody ends it.
    async fn live(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        self.tell_where_to_look();
        let mut view = View::new("Ctrl-C ends the demo");
        while !stop.is_cancelled() {
            view.show(&self.look().await?);
            tokio::select! {
                () = sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
        view.end();
        self.machine.stop_service().await?;
        let (stored, delivered) = (self.stored().await?, self.place.count_events()?);
        eprintln!("\nended in order: {stored} events stored, {delivered} delivered");
        Ok(())
    }

    /// Waits until everything is delivered, counts, and judges.
    async fn prove(&mut self, stop: &CancellationToken) -> anyhow::Result<ExitCode> {
        self.tell_where_to_look();
        self.until_idle(PATIENCE, stop).await?;
        let seconds = self.began.elapsed().as_secs_f64();
        let counts = self.count().await?;
        let Counts {
            published,
            stored,
            delivered,
            duplicates,
        } = counts;
        output::print(&format!(
            "published {published} stored {stored} delivered {delivered} duplicates {duplicates}\n"
        ))?;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = delivered as f64 / seconds.max(0.001);
        eprintln!("{delivered} events in {seconds:.1} s: {rate:.0} a second");
        if counts.agree() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!(
            "the counts do not agree: published must be stored + duplicates, and stored must be delivered"
        );
        Ok(ExitCode::FAILURE)
    }

    /// Waits until the org has nothing unread and every route is at its head.
    async fn until_idle(
        &mut self,
        patience: Duration,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let mut view = View::new("ends when everything is delivered");
        let mut idle = Idle::new(patience);
        loop {
            let seen = self.look().await?;
            view.show(&seen);
            let next = idle.judge(&seen, Instant::now());
            match next {
                idle::Next::Wait => {}
                idle::Next::Poll => self.client.poll().await?,
                idle::Next::Done => break,
                idle::Next::Stuck => {
                    view.end();
                    bail!(
                        "nothing has moved for {} s: {}",
                        patience.as_secs(),
                        seen.trouble()
                    );
                }
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                () = stop.cancelled() => {
                    view.end();
                    bail!("interrupted");
                }
            }
        }
        view.end();
        Ok(())
    }

    /// Stops the service and counts at both ends.
    async fn count(&mut self) -> anyhow::Result<Counts> {
        self.machine.stop_service().await?;
        Ok(Counts {
            published: self.org.published().unwrap_or_default(),
            stored: self.stored().await?,
            delivered: self.place.count_events()?,
            duplicates: self.org.repeats().unwrap_or_default(),
        })
    }

    async fn stored(&self) -> anyhow::Result<u64> {
        let source = self.client.source();
        self.machine.count_events(source).await
    }

    async fn look(&mut self) -> anyhow::Result<Seen> {
        self.machine.check()?;
        Ok(Seen {
            at: self.began.elapsed(),
            status: self.client.status().await?,
            published: self.org.published(),
            unread: self.org.unread(),
            head: self.org.head(),
            requests: self.org.requests(),
        })
    }

    /// Removes what must not stay and says what does.
    async fn end(&mut self) -> anyhow::Result<()> {
        self.org.stop().await;
        let removed = self.machine.remove().await;
        match self.place.keep_or_remove() {
            Some(path) => eprintln!("kept:    {}", path.display()),
            None => eprintln!("no event was delivered, so no output is kept"),
        }
        eprintln!("removed: {}", removed?);
        Ok(())
    }

    fn tell_where_to_look(&self) {
        let (api, key) = (self.machine.api(), self.machine.key());
        eprintln!();
        eprintln!("  org       {}", self.org.describe());
        eprintln!("  API       {api}");
        eprintln!("  key       {key}");
        eprintln!("  output    {}", self.place.path().display());
        eprintln!("  database  {}", self.machine.database());
        eprintln!(
            "  try       curl -H 'Authorization: Bearer {key}' {}",
            self.client.status_url()
        );
        eprintln!("            tail -f {}", self.place.path().display());
        eprintln!();
    }
}

#[cfg(test)]
mod tests;
