//! `receive`: a far end of deliveries to look at, for people and demos without an account.
//!
//! What it counts lives in memory and ends with it. With `--output` every event is handed to the file
//! system before its sender gets an answer; when the file cannot be written any more the command ends.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use receiver::{Counts, OnEvent, ReadBack, Receiver, ReceiverConfig};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::cli::Receive;
use crate::shutdown;

/// Distinct events that repeats are told by.
const REMEMBER: usize = 2_000_000;
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(options: Receive) -> anyhow::Result<()> {
    let stop = shutdown::on_signal()?;
    let output = match &options.output {
        Some(file) => Some(Output::open(file, stop.clone())?),
        None => None,
    };
    let read_back = options.log_id.zip(options.read_key);
    let paths = if options.path.is_empty() {
        ReceiverConfig::default().paths
    } else {
        options.path
    };
    let receiver = Receiver::start(ReceiverConfig {
        listen: options.listen,
        tokens: options.token,
        read_back: read_back.map(|(log_id, key)| ReadBack::new(log_id, key)),
        paths,
        remember: REMEMBER,
        on_event: output.clone().map(Output::hook),
        ..ReceiverConfig::default()
    })
    .await?;
    let inbox = receiver.inbox().clone();
    introduce(&receiver.url(), &inbox.config().paths);

    let mut line = Line::new();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        line.show(&inbox.counts());
    }
    receiver.stop().await;
    line.show(&inbox.counts());
    line.end();
    output.map_or(Ok(()), Output::outcome)
}

fn introduce(url: &str, paths: &[String]) {
    eprintln!("a receiver listens on {url}");
    eprintln!("  InsightOps entries: POST {url}/v1/noformat/<log token>");
    for path in paths {
        eprintln!("  webhooks: POST {url}{path} (NDJSON, JSON array or object)");
    }
    eprintln!("  what has arrived: GET {url}/counts; GET {url}/healthz is 200 once something has");
}

/// The file that events go to.
#[derive(Clone)]
struct Output {
    file: Arc<Mutex<Result<File, std::io::Error>>>,
    name: String,
    stop: CancellationToken,
}

impl Output {
    fn open(path: &Path, stop: CancellationToken) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.with_context(|| format!("cannot open {name}"))?;
        Ok(Self {
            file: Arc::new(Mutex::new(Ok(file))),
            name,
            stop,
        })
    }

    fn hook(self) -> OnEvent {
        Arc::new(move |event, _| self.write(event))
    }

    /// Appends one line; a line feed inside an event, which JSON has only between tokens, becomes a space.
    fn write(&self, event: &[u8]) {
        let flat = event
            .iter()
            .map(|byte| if *byte == b'\n' { b' ' } else { *byte });
        let line: Vec<u8> = flat.chain([b'\n']).collect();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(open) = file.as_mut()
            && let Err(error) = open.write_all(&line)
        {
            *file = Err(error);
            self.stop.cancel();
        }
    }

    /// Why writing ended early, if it did.
    fn outcome(self) -> anyhow::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = std::io::Error::other("it was reported before");
        match std::mem::replace(&mut *file, Err(broken)) {
            Ok(_) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot write to {}", self.name)),
        }
    }
}

/// What a person sees: on a terminal one line that is written over, else a line when something has changed.
struct Line {
    terminal: bool,
    said: String,
    before: (Instant, u64),
}

impl Line {
    fn new() -> Self {
        Self {
            terminal: stderr().is_terminal(),
            said: String::new(),
            before: (Instant::now(), 0),
        }
    }

    fn show(&mut self, counts: &Counts) {
        let now = Instant::now();
        let (at, events) = std::mem::replace(&mut self.before, (now, counts.events));
        let seconds = now.saturating_duration_since(at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let rate = counts.events.saturating_sub(events) as f64 / seconds.max(0.001);
        let text = text(counts);
        if self.terminal {
            // The terminal cuts a long line instead of wrapping it.
            put(&format!(
                "\r\x1b[?7l{text}, {rate:.0} a second\x1b[K\x1b[?7h"
            ));
        } else if text != self.said {
            put(&format!("{text}, {rate:.0} a second\n"));
            self.said = text;
        }
    }

    /// Leaves what was shown last.
    fn end(&self) {
        if self.terminal {
            put("\n");
        }
    }
}

fn text(counts: &Counts) -> String {
    let insightops = &counts.insightops;
    let webhook = &counts.webhook;
    let notes = [
        ("cut at a line feed", insightops.cut),
        ("split", insightops.split),
        ("not UTF-8", insightops.garbled),
        ("empty", insightops.empty),
        ("thrown away: unknown token", insightops.discarded),
        ("too large", insightops.too_large),
        ("malformed token", insightops.malformed_token),
        ("repeated batches", webhook.repeated_batches),
        ("batches with a reused key", webhook.changed_batches),
        ("refused", webhook.refused),
    ];
    let notes: String = notes
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!(", {what} {count}"))
        .collect::<Vec<_>>()
        .concat();
    format!(
        "events {}, distinct {}, repeats {}, requests {}{notes}",
        counts.events, counts.distinct, counts.repeats, counts.requests
    )
}

fn put(text: &str) {
    // A view that nobody can see any more is no reason to end.
    let _unseen = stderr().lock().write_all(text.as_bytes());
}
