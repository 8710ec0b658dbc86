//! What a person sees of a running demo: on a terminal a block that is repainted, else a line when
//! something has changed, at most one a second.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use super::status::Seen;

/// The rate shown is that of this time.
const WINDOW: Duration = Duration::from_secs(15);
const LINES_APART: Duration = Duration::from_secs(1);

pub(super) struct View {
    hint: &'static str,
    terminal: bool,
    /// Lines of the block that stands on the terminal.
    painted: usize,
    /// The last line, and when it was printed.
    said: Option<(String, Duration)>,
    /// When how much was delivered, for the rate.
    history: VecDeque<(Duration, u64)>,
}

impl View {
    pub(super) fn new(hint: &'static str) -> Self {
        Self {
            hint,
            terminal: stderr().is_terminal(),
            painted: 0,
            said: None,
            history: VecDeque::new(),
        }
    }

    pub(super) fn show(&mut self, seen: &Seen) {
        let rate = self.rate(seen);
        if self.terminal {
            self.paint(&block(seen, rate, self.hint));
        } else {
            self.say(seen, rate);
        }
    }

    /// Leaves what was shown last.
    pub(super) fn end(&mut self) {
        self.painted = 0;
    }

    fn paint(&mut self, lines: &[String]) {
        let up = match self.painted {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        // Each line is cleared behind what it says, and what stood below the block goes too. The terminal
        // cuts long lines instead of wrapping them, or the way up would be longer.
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        put(&format!("{up}\x1b[?7l{}\x1b[J\x1b[?7h", lines.concat()));
        self.painted = lines.len();
    }

    fn say(&mut self, seen: &Seen, rate: Option<f64>) {
        let line = line(seen, rate);
        let (same, soon) = match &self.said {
            Some((last, at)) => (*last == line, seen.at.saturating_sub(*at) < LINES_APART),
            None => (false, false),
        };
        if !same && !soon {
            put(&format!("[{:>4} s] {line}\n", seen.at.as_secs()));
            self.said = Some((line, seen.at));
        }
    }

    /// Delivered events a second over the last while.
    fn rate(&mut self, seen: &Seen) -> Option<f64> {
        self.history.push_back((seen.at, seen.delivered()));
        while self
            .history
            .get(1)
            .is_some_and(|(at, _)| seen.at.saturating_sub(*at) >= WINDOW)
        {
            self.history.pop_front();
        }
        let (since, before) = self.history.front()?;
        let seconds = seen.at.saturating_sub(*since).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let events = seen.delivered().saturating_sub(*before) as f64;
        (seconds >= 0.5).then(|| events / seconds)
    }
}

fn put(text: &str) {
    // A view that nobody can see any more is no reason to end.
    let _unseen = stderr().lock().write_all(text.as_bytes());
}

fn block(seen: &Seen, rate: Option<f64>, hint: &str) -> Vec<String> {
    let mut lines = vec![
        format!("  source    {}", source(seen)),
        format!("  events    {}", events(seen, rate)),
        format!("  next      {}", next(seen)),
    ];
    lines.extend(
        seen.notes()
            .into_iter()
            .map(|note| format!("  note      {note}")),
    );
    lines.push(format!("  ({hint})"));
    lines
}

fn line(seen: &Seen, rate: Option<f64>) -> String {
    let mut parts = vec![source(seen), events(seen, rate), next(seen)];
    parts.extend(seen.notes());
    parts.join(" | ")
}

fn source(seen: &Seen) -> String {
    let mark = if seen.status.running {
        "✔ running"
    } else {
        "…"
    };
    format!(
        "{mark} (polling {}, delivery {})",
        seen.status.polling.state, seen.status.delivery.state
    )
}

fn events(seen: &Seen, rate: Option<f64>) -> String {
    let published = seen
        .published
        .map(|count| format!("published {count}, "))
        .unwrap_or_default();
    let rate = rate
        .map(|rate| format!(", {rate:.1} a second"))
        .unwrap_or_default();
    let dead = match seen.dead() {
        0 => String::new(),
        dead => format!(", refused {dead}"),
    };
    format!(
        "{published}stored {}, delivered {}{dead}{rate}",
        seen.stored(),
        seen.delivered()
    )
}

fn next(seen: &Seen) -> String {
    let polling = &seen.status.polling;
    let poll = match (polling.under_way, polling.next_poll_at, seen.status.now) {
        (true, _, _) => "polling now".to_owned(),
        (false, Some(next), Some(now)) => {
            format!("poll in {} s", (next - now).num_seconds().max(0))
        }
        _ => "no poll planned".to_owned(),
    };
    match &polling.budget {
        None => poll,
        Some(budget) => {
            let limit = budget
                .limit
                .map(|limit| format!(" of {limit}"))
                .unwrap_or_default();
            format!("{poll}, rate limit: {}{limit} requests left", budget.left)
        }
    }
}
