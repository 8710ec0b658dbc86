//! Budgets: what a token or app may still ask in Okta's fixed window, shared by all that use it.
//!
//! One [`Window`] per token, kept in the database; processes draw permits from it in blocks and report
//! what became of them. What is safe at any moment: the requests left by the latest answer, minus what
//! is Okta's and others' (the reserve), minus permits that are out and not reported. A permit that was
//! used and not yet reported counts twice for a while, never not at all, so requests of ours alone
//! never meet a used-up window. What was not answered, and the permits of a process that dies, stay
//! out until the window ends.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How long one careful request at the begin of a window keeps the others waiting: longer than the
/// client's own deadline.
const PROBE: TimeDelta = TimeDelta::seconds(60);

/// When to look again for something that takes a round trip.
const SOON: Duration = Duration::from_millis(100);

/// When to look again for what is held back for more urgent work.
const LATER: Duration = Duration::from_secs(1);

/// Headers have whole seconds: the next window is not met early, and resets this close are one.
const GRAIN: i64 = 1;

/// By so much an end may be told too late: a request before it must not count in the next window.
const LATE: TimeDelta = TimeDelta::seconds(2 * GRAIN);

/// Okta's windows last this long.
const LENGTH: f64 = 60.0;

/// A block that is not used by then is drawn anew, with what has been heard since.
const FRESH: Duration = Duration::from_secs(5);

/// Of a window that strangers use too, so many requests of ours are spread over it.
const LOOKS: u32 = 4;

/// Nobody has heard what is left for so long: strangers may have used the rest.
const STALE: TimeDelta = TimeDelta::seconds(5);

/// What a request is for; the more urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Polling, and whatever a person waits for.
    Live,
    /// Reading finished hours again: at most a quarter of a window.
    Verify,
    /// Reading a past range, with what the others leave.
    Backfill,
}

/// What the headers of an answer say about its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Requests the token may make in a window; never 0.
    pub limit: u32,
    /// Requests left, others' included.
    pub remaining: u32,
    /// When the window resets, in seconds since 1970 by Okta's clock: the name of the window.
    pub reset: i64,
    /// The same from now on.
    pub resets_in: Duration,
    /// How long ago it was heard.
    pub ago: Duration,
}

/// What became of permits since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The window they were of; see [`Block::window`].
    pub window: i64,
    /// Used, and answered or not.
    pub used: u32,
    /// Of those, without an answer: nobody heard what was left after them.
    pub unanswered: u32,
    /// Given back.
    pub returned: u32,
    /// The latest that an answer said.
    pub heard: Option<Heard>,
}

/// A question for permits.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// What for.
    pub priority: Priority,
    /// Part of the limit that is ours, 0 to 1; never less than one request.
    pub share: f64,
    /// Processes that may draw.
    pub workers: u32,
    /// No more permits than this.
    pub most: u32,
    /// Polls of this budget that run or are due now. Only told to who is less urgent.
    pub live_now: u32,
    /// Polls of this budget that are due before the window ends. Likewise.
    pub live_soon: u32,
}

/// Permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// How many requests.
    pub permits: u32,
    /// The window they are of; for the first request of a window the one before.
    pub window: i64,
    /// Not to be used from here on.
    pub ends_in: Duration,
}

/// The answer to a question for permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Go.
    Go(Block),
    /// Look again after this long.
    Wait(Duration),
}

/// A window of a token, as far as all processes together know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Its reset by Okta's clock; 0 before any answer.
    pub reset: i64,
    /// Its end by the database's clock, with a margin.
    pub ends_at: DateTime<Utc>,
    /// Its limit; 0 before any answer.
    pub limit: u32,
    /// The least that an answer said is left.
    pub remaining: u32,
    /// When it was first heard of.
    pub begun_at: DateTime<Utc>,
    /// When an answer last said what is left.
    pub heard_at: DateTime<Utc>,
    /// Requests of ours that are reported.
    pub used: u32,
    /// Requests of others with the same token, as far as that is sure.
    pub strangers: u32,
    /// The same by the second, in the window before.
    pub strangers_before: f32,
    /// Permits drawn and not reported.
    pub out: u32,
    /// Until when the first request of a window may take.
    pub probing_until: DateTime<Utc>,
    /// Permits drawn for polling in this window.
    pub live: u32,
    /// The same in the window before.
    pub live_before: u32,
    /// Permits drawn for verify in this window.
    pub verify: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            reset: 0,
            ends_at: DateTime::UNIX_EPOCH,
            limit: 0,
            remaining: 0,
            begun_at: DateTime::UNIX_EPOCH,
            heard_at: DateTime::UNIX_EPOCH,
            used: 0,
            strangers: 0,
            strangers_before: 0.0,
            out: 0,
            probing_until: DateTime::UNIX_EPOCH,
            live: 0,
            live_before: 0,
            verify: 0,
        }
    }
}

/// Requests that we may make in a whole window of this limit.
fn allowed(limit: u32, share: f64) -> u32 {
    whole(f64::from(limit) * share.clamp(0.0, 1.0)).max(1)
}

/// Requests of ours that are left, when so many of so many are.
fn ours(limit: u32, remaining: u32, share: f64) -> u32 {
    let reserve = limit.saturating_sub(allowed(limit, share));
    remaining.saturating_sub(reserve)
}

fn seconds(from: DateTime<Utc>, until: DateTime<Utc>) -> f64 {
    (until - from).as_seconds_f64().max(0.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "requests of one window"
)]
fn whole(count: f64) -> u32 {
    count as u32
}

impl Heard {
    /// Requests of ours that are left by this answer alone.
    pub fn left(&self, share: f64) -> u32 {
        ours(self.limit, self.remaining, share)
    }
}

impl Window {
    /// Requests that may be drawn now.
    pub fn left(&self, now: DateTime<Utc>, share: f64) -> u32 {
        let without = |strangers: u32| {
            ours(self.limit, self.remaining.saturating_sub(strangers), share)
                .saturating_sub(self.out)
        };
        if !self.shared() {
            let left = without(0);
            // Should strangers have come, the last tenth is theirs as long as nobody hears of them.
            let last = allowed(self.limit, share) / 10;
            let stale = now - self.heard_at > STALE && left <= last;
            return if stale { 0 } else { left };
        }
        // They may have gone: at least half is not theirs.
        let theirs = self.expected(self.ends_at).min(self.limit / 2);
        let planned = without(theirs).saturating_sub(self.looks(now));
        // What is expected of them may be too much: where nothing is kept for looks, one is taken.
        let length = seconds(self.begun_at, self.ends_at);
        let unheard = seconds(self.begun_at, self.heard_at) * 5.0 < length;
        let unsure = self.strangers_before <= 0.0 || (unheard && self.limit < 24);
        let look = unsure && self.is_old(now) && without(self.expected(now)) > 0;
        planned.max(u32::from(look))
    }

    /// Whether a part of the window has passed since the last answer.
    fn is_old(&self, now: DateTime<Utc>) -> bool {
        seconds(self.heard_at, now) * 5.0 > seconds(self.begun_at, self.ends_at)
    }

    /// Whether strangers use the token.
    fn shared(&self) -> bool {
        self.strangers > 0 || self.strangers_before > 0.0
    }

    /// What strangers use from the last answer until then, as in the window before or, if that is not
    /// known, as in this one.
    fn expected(&self, until: DateTime<Utc>) -> u32 {
        let rate = if self.strangers_before > 0.0 {
            f64::from(self.strangers_before)
        } else {
            self.found()
        };
        whole((rate * seconds(self.heard_at, until)).round())
    }

    /// Strangers by the second in this window: one comes at the begin of its pause, and the last pause is
    /// not over.
    fn found(&self) -> f64 {
        let count = f64::from(self.strangers);
        let heard = seconds(self.begun_at, self.heard_at).max(1.0);
        count * count / (heard * (count + 1.0))
    }

    /// Requests kept for later in the window, so that somebody hears what strangers do.
    fn looks(&self, now: DateTime<Utc>) -> u32 {
        let length = seconds(self.begun_at, self.ends_at).max(1.0);
        let looks = LOOKS.min(self.limit / 12);
        whole(f64::from(looks) * seconds(now, self.ends_at) / length)
    }

    /// What strangers use by the second, by what was heard of this window and the one before.
    fn strangers_a_second(&self) -> f32 {
        let length = seconds(self.begun_at, self.ends_at).max(1.0);
        let heard = seconds(self.begun_at, self.heard_at);
        let before = f64::from(self.strangers_before);
        let rate = if heard * 5.0 < length {
            // A burst at the begin says little about the rest.
            before.max(f64::from(self.strangers) / length)
        } else if before > 0.0 {
            f64::midpoint(before, self.found())
        } else {
            self.found()
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "few digits are enough to guess with"
        )]
        let rate = rate as f32;
        // Nobody any more.
        if rate * 100.0 < 1.0 / 60.0 { 0.0 } else { rate }
    }

    /// Takes in what became of permits.
    pub fn report(&mut self, now: DateTime<Utc>, report: &Report) {
        let settled = report.used.saturating_add(report.returned);
        if settled > 0 {
            self.probing_until = DateTime::UNIX_EPOCH;
        }
        if report.window == self.reset {
            // Nobody knows which answers count in what was not answered: it stays out.
            let settled = settled.saturating_sub(report.unanswered);
            self.out = self.out.saturating_sub(settled);
            self.live = self.live.saturating_sub(report.returned);
            self.used = self.used.saturating_add(report.used);
        }
        if let Some(heard) = &report.heard {
            self.hear(now, heard);
        }
        let of_us = self.used.saturating_add(self.out);
        let gone = self.limit.saturating_sub(self.remaining);
        self.strangers = self.strangers.max(gone.saturating_sub(of_us));
    }

    fn hear(&mut self, now: DateTime<Utc>, heard: &Heard) {
        let resets_in = TimeDelta::from_std(heard.resets_in).unwrap_or(TimeDelta::minutes(1));
        let ends_at = now + resets_in + TimeDelta::seconds(GRAIN);
        let heard_at = now - TimeDelta::from_std(heard.ago).unwrap_or(TimeDelta::minutes(1));
        // Should a wrong clock have named a window of the far future, it is over by our own.
        let over = now >= self.ends_at && heard.resets_in > Duration::ZERO;
        let later = heard.reset > self.reset.saturating_add(GRAIN);
        let earlier = heard.reset < self.reset.saturating_sub(GRAIN);
        if later || (earlier && over) {
            // A window that begins long after the last one says nothing about the next.
            let follows = now - self.ends_at < TimeDelta::minutes(1);
            *self = Self {
                reset: heard.reset,
                ends_at,
                limit: heard.limit,
                remaining: heard.remaining,
                out: 0,
                probing_until: DateTime::UNIX_EPOCH,
                live_before: if follows { self.live } else { 0 },
                strangers_before: if follows {
                    self.strangers_a_second()
                } else {
                    0.0
                },
                begun_at: now,
                heard_at,
                // The one that was answered.
                used: 1,
                strangers: 0,
                live: 0,
                verify: 0,
            };
        } else if !earlier {
            self.limit = heard.limit;
            self.remaining = self.remaining.min(heard.remaining);
            self.heard_at = self.heard_at.max(heard_at);
            // Each answer tells the end a little late, none too early.
            self.ends_at = self.ends_at.min(ends_at);
        }
    }

    /// Whether this window accounts for a refusal; if not, it is the org's own limit that is used up.
    pub fn explains(&self, now: DateTime<Utc>, refusal: &Heard) -> bool {
        let open = now < self.ends_at;
        if !open || self.limit == 0 {
            return refusal.remaining == 0;
        }
        let same = refusal.reset.abs_diff(self.reset) <= GRAIN.unsigned_abs();
        // Somebody else with the same token may have used some, hardly a quarter of all since the last answer.
        let known_left = self.remaining.saturating_sub(self.out);
        same && refusal.limit == self.limit
            && refusal.remaining == 0
            && known_left <= self.limit / 4 + 1
    }

    /// Draws permits: a block of what is left for polling, one request for whoever is less urgent.
    pub fn draw(&mut self, now: DateTime<Utc>, ask: &Ask) -> Grant {
        let urgent = ask.priority == Priority::Live;
        if !urgent && ask.live_now > 0 {
            return Grant::Wait(SOON);
        }
        if now >= self.ends_at {
            if self.probing_until > now {
                return Grant::Wait(SOON);
            }
            self.probing_until = now + PROBE;
            return Grant::Go(Block {
                permits: 1,
                window: self.reset,
                ends_in: PROBE.to_std().unwrap_or_default(),
            });
        }
        let ends_in = (self.ends_at - now).to_std().unwrap_or_default();
        let Ok(usable_for) = (self.ends_at - LATE - now).to_std() else {
            return Grant::Wait(ends_in);
        };
        let left = self.left(now, ask.share);
        if left == 0 {
            // Permits that are out may come back.
            let comes_back = self.out > 0 && ours(self.limit, self.remaining, ask.share) > 0;
            return Grant::Wait(if comes_back {
                SOON.min(ends_in)
            } else {
                ends_in
            });
        }
        let permits = if urgent {
            (left / ask.workers.saturating_mul(4).max(1)).clamp(1, ask.most.max(1))
        } else {
            if left <= self.held_back(ask, ends_in) {
                return Grant::Wait(LATER.min(ends_in));
            }
            if ask.priority == Priority::Verify {
                if self.verify >= (allowed(self.limit, ask.share) / 4).max(1) {
                    return Grant::Wait(ends_in);
                }
                self.verify += 1;
            }
            1
        };
        if urgent {
            self.live = self.live.saturating_add(permits);
        }
        self.out = self.out.saturating_add(permits);
        Grant::Go(Block {
            permits,
            window: self.reset,
            ends_in: usable_for.min(FRESH),
        })
    }

    /// What is kept for polls that are going to be due, by the plan and by the last window, and a
    /// little for surprises: less and less as the window goes by, so that nothing is left over.
    fn held_back(&self, ask: &Ask, ends_in: Duration) -> u32 {
        let part = (ends_in.as_secs_f64() / LENGTH).min(1.0);
        let of = |count: u32| whole(f64::from(count) * part);
        ask.live_soon
            .max(of(self.live_before))
            .saturating_add(of(allowed(self.limit, ask.share) / 10))
    }
}

#[cfg(test)]
mod tests;
