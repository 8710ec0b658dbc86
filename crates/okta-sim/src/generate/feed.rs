//! An org that makes events by itself as its clock goes on.

use crate::clock::time;
use crate::config::Rate;
use crate::events::{EventLog, EventsBuilder, Shown};
use crate::generate::Generator;

/// Events are made when somebody looks, each persisted at the time it was due.
#[derive(Debug)]
pub(crate) struct Feed {
    generator: Generator,
    per_second: i64,
    start_ms: i64,
    made: i64,
}

impl Feed {
    pub(crate) fn new(rate: Rate, start_ms: i64) -> Self {
        let generator = Generator::new(rate.seed);
        Self {
            generator,
            per_second: rate.per_second.into(),
            start_ms,
            made: 0,
        }
    }

    /// Appends what fell due since the last call.
    pub(crate) fn catch_up(&mut self, log: &mut EventLog, now_ms: i64) {
        let due = now_ms
            .saturating_sub(self.start_ms)
            .saturating_mul(self.per_second)
            / 1000;
        if due <= self.made {
            return;
        }
        let mut events = EventsBuilder::default();
        let mut times = Vec::new();
        while self.made < due {
            self.made += 1;
            let at_ms = self.start_ms + self.made * 1000 / self.per_second;
            let event = self.generator.event(time(at_ms));
            // What the generator makes is valid.
            if events.push(&event).is_ok() {
                times.push(at_ms);
            }
        }
        log.append(events.finish(), Shown::Everywhere, |n| {
            times.get(n).copied().unwrap_or(now_ms)
        });
    }
}
