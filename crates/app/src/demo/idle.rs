//! When a demo is done: nothing unread at the org, everything settled, and one poll more says so too.
//!
//! The empty page at the end may be read while the page before it is still being stored. So after the
//! first time that everything looks done, a poll more is asked for: it starts from the stored
//! cursor, and if it finds the end as well, nothing is on its way any more.

use std::time::Duration;

use tokio::time::Instant;

use super::status::Seen;

/// Between two requests for a poll.
const POKE: Duration = Duration::from_secs(1);

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Wait,
    /// Ask for a poll now.
    Poll,
    Done,
    /// Nothing has moved for too long.
    Stuck,
}

#[derive(Debug)]
pub(super) struct Idle {
    patience: Duration,
    /// The counts that last moved, and when.
    moved: Option<((u64, u64, u64, u64), Instant)>,
    poked: Option<Instant>,
    /// Requests at the org, and events stored, when everything first looked done.
    looked_done: Option<(usize, u64)>,
}

impl Idle {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            moved: None,
            poked: None,
            looked_done: None,
        }
    }

    pub(super) fn judge(&mut self, seen: &Seen, now: Instant) -> Next {
        let counts = (seen.unread, seen.stored(), seen.delivered(), seen.dead());
        match self.moved {
            Some((before, since)) if before == counts => {
                if now.duration_since(since) >= self.patience {
                    return Next::Stuck;
                }
            }
            _ => self.moved = Some((counts, now)),
        }
        let polling = &seen.status.polling;
        let at_rest = !polling.under_way && polling.state == "running";
        let done = at_rest && seen.head && seen.unread == 0 && seen.pending() == 0;
        match self.looked_done {
            Some((requests, stored)) if done && stored == seen.stored() => {
                if seen.requests > requests {
                    return Next::Done;
                }
            }
            _ if done => {
                self.looked_done = Some((seen.requests, seen.stored()));
                self.poked = None;
            }
            _ => self.looked_done = None,
        }
        let polls = !polling.under_way && (seen.unread > 0 || !seen.head || done);
        if polls
            && self
                .poked
                .is_none_or(|poked| now.duration_since(poked) >= POKE)
        {
            self.poked = Some(now);
            return Next::Poll;
        }
        Next::Wait
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(unread: u64, stored: u64, pending: u64, requests: usize) -> Seen {
        let status = json!({
            "running": true,
            "polling": { "state": "running", "polling_now": false, "stored_events": stored },
            "delivery": { "state": "running", "routes": [{
                "pending_events": pending, "delivered_events": stored - pending, "dead_letters": 0
            }] },
        });
        Seen {
            at: Duration::ZERO,
            status: serde_json::from_value(status).unwrap(),
            published: Some(unread + stored),
            unread,
            head: unread == 0,
            requests,
        }
    }

    #[test]
    fn done_needs_one_poll_more_that_finds_nothing() {
        let (mut idle, now) = (Idle::new(Duration::from_mins(1)), Instant::now());
        assert_eq!(idle.judge(&seen(3, 0, 0, 0), now), Next::Poll);
        assert_eq!(
            idle.judge(&seen(0, 3, 3, 2), now),
            Next::Wait,
            "not delivered"
        );
        assert_eq!(
            idle.judge(&seen(0, 3, 0, 2), now),
            Next::Poll,
            "it looks done"
        );
        assert_eq!(
            idle.judge(&seen(0, 3, 0, 2), now),
            Next::Wait,
            "the poll is on its way"
        );
        assert_eq!(idle.judge(&seen(0, 3, 0, 3), now), Next::Done);
    }

    #[test]
    fn a_page_that_was_still_being_stored_begins_the_end_anew() {
        let (mut idle, now) = (Idle::new(Duration::from_mins(1)), Instant::now());
        assert_eq!(idle.judge(&seen(0, 3, 0, 2), now), Next::Poll);
        assert_eq!(idle.judge(&seen(0, 4, 0, 3), now), Next::Poll);
        assert_eq!(idle.judge(&seen(0, 4, 0, 4), now), Next::Done);
    }

    #[test]
    fn it_is_stuck_when_nothing_moves_for_the_patience() {
        let (patience, now) = (Duration::from_mins(1), Instant::now());
        let mut idle = Idle::new(patience);
        let (half, whole) = (now + patience / 2, now + patience);
        assert_eq!(idle.judge(&seen(3, 0, 0, 0), now), Next::Poll);
        assert_eq!(idle.judge(&seen(3, 0, 0, 9), half), Next::Poll);
        assert_eq!(idle.judge(&seen(3, 0, 0, 19), whole), Next::Stuck);
        assert_eq!(
            idle.judge(&seen(2, 1, 0, 20), whole),
            Next::Poll,
            "it moves again"
        );
    }
}
