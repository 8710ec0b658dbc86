//! Faults on request: what a receiver, its gateway or the network do wrong, exactly when a test wants it.
//!
//! The first injection that matches a request hits it. The request has arrived whole by then, and its body
//! is not looked at.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status is answered and nothing is recorded; a 3xx points to a path where requests are
    /// counted in [`Counts::redirects_followed`](crate::Counts::redirects_followed).
    Status {
        /// The status; one that HTTP does not have becomes 500.
        status: u16,
        /// Seconds of a `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// The connection is reset instead of an answer.
    Reset(When),
    /// No answer until faults are cleared; then it is the usual one. A sender that gives up before
    /// takes back what was not recorded.
    Hold(When),
    /// The answer comes so much later than the recording.
    Delay(Duration),
}

/// On which side of the recording of events a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing is recorded.
    BeforeRecording,
    /// Everything is recorded, and the sender cannot know.
    AfterRecording,
}

impl Fault {
    /// Answers with a status.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
        }
    }

    /// Answers 429 and asks to come back after so many seconds.
    pub fn too_many_requests(retry_after: u64) -> Self {
        Self::Status {
            status: 429,
            retry_after: Some(retry_after),
        }
    }

    /// For the next request.
    pub fn once(self) -> Injection {
        self.times(1)
    }

    /// For the next `count` requests.
    pub fn times(self, count: u32) -> Injection {
        Injection {
            left: Some(count),
            ..self.until_cleared()
        }
    }

    /// For all requests from now until `time` has passed.
    pub fn lasting(self, time: Duration) -> Injection {
        Injection {
            lasting: Some(time),
            ..self.until_cleared()
        }
    }

    /// For all requests until faults are cleared.
    pub fn until_cleared(self) -> Injection {
        Injection {
            fault: self,
            left: None,
            after: Duration::ZERO,
            lasting: None,
            skip: 0,
            share: 1.0,
            queries: false,
        }
    }
}

/// A fault with how often and when; see [`Inbox::inject`](crate::Inbox::inject).
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    fault: Fault,
    left: Option<u32>,
    after: Duration,
    lasting: Option<Duration>,
    skip: u64,
    share: f64,
    queries: bool,
}

impl Injection {
    /// Begins so much later; a [`Fault::lasting`] lasts from then on.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self {
            after: time,
            ..self
        }
    }

    /// Lets so many requests pass first.
    #[must_use]
    pub fn after_requests(self, requests: u64) -> Self {
        Self {
            skip: requests,
            ..self
        }
    }

    /// Hits this share of the requests, from 0 to 1, chosen by the receiver's seed.
    #[must_use]
    pub fn share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// Hits requests to the query API instead of deliveries.
    #[must_use]
    pub fn on_queries(self) -> Self {
        Self {
            queries: true,
            ..self
        }
    }
}

#[derive(Debug)]
pub(crate) struct Faults {
    injected: Vec<Planned>,
    release: CancellationToken,
    seed: u64,
    drawn: u64,
}

/// An injection and when it came.
#[derive(Debug)]
struct Planned {
    injection: Injection,
    at: Instant,
}

impl Planned {
    /// Whether it is its time.
    fn is_on(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.at);
        let on = age.checked_sub(self.injection.after);
        on.is_some_and(|on| self.injection.lasting.is_none_or(|lasting| on < lasting))
    }
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            injected: Vec::new(),
            release: CancellationToken::new(),
            seed,
            drawn: 0,
        }
    }

    pub(crate) fn inject(&mut self, injection: Injection, now: Instant) {
        self.injected.push(Planned { injection, at: now });
    }

    /// Forgets all faults and lets go of the requests they hold.
    pub(crate) fn clear(&mut self) {
        self.injected.clear();
        std::mem::take(&mut self.release).cancel();
    }

    /// The fault that hits this request, used up by it.
    pub(crate) fn take(&mut self, query: bool, now: Instant) -> Option<Fault> {
        let (seed, drawn) = (self.seed, &mut self.drawn);
        let wanted = self.injected.iter_mut().find_map(|planned| {
            let on = planned.injection.queries == query && planned.is_on(now);
            let wanted = &mut planned.injection;
            if !on {
                return None;
            }
            if wanted.skip > 0 {
                wanted.skip -= 1;
                return None;
            }
            (wanted.share >= 1.0 || draw(seed, drawn) < wanted.share).then_some(wanted)
        })?;
        wanted.left = wanted.left.map(|left| left.saturating_sub(1));
        let fault = wanted.fault.clone();
        self.injected
            .retain(|planned| planned.injection.left != Some(0));
        Some(fault)
    }

    /// Fires when faults are cleared.
    pub(crate) fn release(&self) -> CancellationToken {
        self.release.clone()
    }
}

/// The next of a seed's numbers from 0 to 1, the same on every machine.
fn draw(seed: u64, drawn: &mut u64) -> f64 {
    *drawn += 1;
    #[expect(clippy::cast_precision_loss, reason = "a chance needs no more bits")]
    let number = xxh3_64_with_seed(&drawn.to_le_bytes(), seed) as f64 / u64::MAX as f64;
    number
}

/// A status code of HTTP.
pub(crate) fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn hits(faults: &mut Faults, at: Instant, count: usize) -> Vec<bool> {
        (0..count)
            .map(|_| faults.take(false, at).is_some())
            .collect()
    }

    #[test]
    fn a_count_is_used_up_and_a_skip_lets_pass() {
        let now = Instant::now();
        let mut faults = Faults::new(1);
        faults.inject(Fault::status(503).times(2).after_requests(1), now);
        assert_eq!(hits(&mut faults, now, 5), [false, true, true, false, false]);
    }

    #[test]
    fn a_time_begins_when_it_is_said_and_ends() {
        let now = Instant::now();
        let mut faults = Faults::new(1);
        faults.inject(
            Fault::status(503).lasting(30 * SECOND).after(10 * SECOND),
            now,
        );
        let mut at = |seconds| faults.take(false, now + seconds * SECOND).is_some();
        assert_eq!(
            [at(0), at(9), at(10), at(39), at(40)],
            [false, false, true, true, false]
        );
    }

    #[test]
    fn a_share_is_about_that_share_and_the_same_for_the_same_seed() {
        let now = Instant::now();
        let run = |seed| {
            let mut faults = Faults::new(seed);
            faults.inject(
                Fault::Reset(When::AfterRecording)
                    .until_cleared()
                    .share(0.2),
                now,
            );
            hits(&mut faults, now, 1000)
        };
        let hit = run(7).iter().filter(|hit| **hit).count();
        assert!((150..250).contains(&hit), "{hit}");
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn the_first_that_matches_hits_and_queries_have_their_own() {
        let now = Instant::now();
        let mut faults = Faults::new(1);
        faults.inject(Fault::status(500).once().on_queries(), now);
        faults.inject(Fault::status(503).once(), now);
        faults.inject(Fault::status(410).until_cleared(), now);
        assert_eq!(faults.take(false, now), Some(Fault::status(503)));
        assert_eq!(faults.take(false, now), Some(Fault::status(410)));
        assert_eq!(faults.take(true, now), Some(Fault::status(500)));
        assert_eq!(faults.take(true, now), None);
        faults.clear();
        assert_eq!(faults.take(false, now), None);
    }
}
