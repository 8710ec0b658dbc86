//! What a process remembers of the lanes: when each is due, and below what nothing due is expected.
//! Nothing of this is in the database: a counter written per claim would bloat it.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use model::job::JobKind;
use store::{ClaimLane, Claimed, LaneRow};

use crate::slots::Class;

/// Lanes visited by one claim.
const LANES_AT_ONCE: usize = 8;

/// Jobs of a lane taken by one claim.
const JOBS_AT_ONCE: usize = 8;

/// Rows can appear below a floor (late commits, locks that were skipped): now and then everything
/// is looked at.
const SWEEP: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Lane {
    class: Class,
    due: Option<Instant>,
    floor: Option<DateTime<Utc>>,
    swept: Instant,
    /// When new work was last heard of. A job that was running then runs once more.
    work: Option<Instant>,
}

/// Something this process has just done to a lane.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hint {
    /// New work has made a job of it due, now or when its present run ends.
    Work {
        /// The lane.
        lane: i32,
    },
    /// A run has ended.
    Ended {
        /// The lane it was leased from.
        lane: i32,
        /// When it was leased.
        asked: Instant,
        /// When the job runs again, unless new work came meanwhile.
        wait: Duration,
        /// Whether its route counts as failing now; that decides its lane.
        failing: Option<bool>,
    },
}

/// The lanes of a process.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: HashMap<i32, Lane>,
    /// The order in which lanes are served; who was served goes to the end.
    turns: VecDeque<i32>,
}

/// What to claim: from these lanes at most so many jobs each.
#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) lanes: Vec<ClaimLane>,
    pub(crate) most: usize,
}

impl Lanes {
    /// Takes over what the database says about all lanes.
    pub(crate) fn refresh(&mut self, rows: &[LaneRow], now: Instant) {
        let known: HashMap<i32, &LaneRow> = rows.iter().map(|row| (row.id, row)).collect();
        self.lanes.retain(|id, _| known.contains_key(id));
        self.turns.retain(|id| known.contains_key(id));
        for row in rows {
            // A kind of a newer version: not ours to run.
            let Some(kind) = JobKind::from_number(row.kind) else {
                continue;
            };
            let due = row
                .due_in
                .map(|seconds| now + Duration::try_from_secs_f64(seconds).unwrap_or_default());
            if let Some(lane) = self.lanes.get_mut(&row.id) {
                lane.due = due;
            } else {
                let lane = Lane {
                    class: Class::of(kind, row.failing),
                    due,
                    floor: None,
                    swept: now,
                    work: None,
                };
                self.lanes.insert(row.id, lane);
                self.turns.push_back(row.id);
            }
        }
    }

    /// Notes when a job of a lane will be due. `true`: the job has moved to another lane, only a look
    /// at the database tells which.
    pub(crate) fn hint(&mut self, hint: &Hint, now: Instant) -> bool {
        let (Hint::Work { lane: id } | Hint::Ended { lane: id, .. }) = hint;
        let Some(lane) = self.lanes.get_mut(id) else {
            return true;
        };
        let at = match hint {
            Hint::Work { .. } => {
                lane.work = Some(now);
                now
            }
            Hint::Ended {
                asked,
                wait,
                failing,
                ..
            } => {
                if failing.is_some_and(|failing| failing != (lane.class == Class::Failing)) {
                    return true;
                }
                let once_more = lane.work.is_some_and(|work| work >= *asked);
                if once_more { now } else { now + *wait }
            }
        };
        lane.due = Some(lane.due.map_or(at, |due| due.min(at)));
        false
    }

    /// The next due lanes of a class, in turn, for so many free slots.
    pub(crate) fn pick(&mut self, class: Class, free: usize, now: Instant) -> Option<Pick> {
        let due = |id: &i32| {
            self.lanes
                .get(id)
                .is_some_and(|lane| lane.class == class && lane.due.is_some_and(|at| at <= now))
        };
        let ids: Vec<i32> = self
            .turns
            .iter()
            .copied()
            .filter(due)
            .take(free.min(LANES_AT_ONCE))
            .collect();
        if ids.is_empty() {
            return None;
        }
        let most = (free / ids.len()).clamp(1, JOBS_AT_ONCE);
        self.turns.retain(|id| !ids.contains(id));
        self.turns.extend(&ids);
        let lanes = ids
            .into_iter()
            .map(|id| {
                let floor = self.lanes.get_mut(&id).and_then(|lane| {
                    if now.duration_since(lane.swept) >= SWEEP {
                        lane.swept = now;
                        lane.floor = None;
                    }
                    lane.floor
                });
                ClaimLane { id, floor }
            })
            .collect();
        Some(Pick { lanes, most })
    }

    /// Learns from what a pick brought.
    pub(crate) fn claimed(&mut self, pick: &Pick, claimed: &[Claimed]) {
        for asked in &pick.lanes {
            let Some(lane) = self.lanes.get_mut(&asked.id) else {
                continue;
            };
            let got = claimed
                .iter()
                .filter(|claimed| claimed.lease.lane == asked.id);
            if let Some(lowest) = got.clone().map(|claimed| claimed.was).min() {
                lane.floor = Some(lowest - TimeDelta::seconds(1));
            }
            if got.count() < pick.most {
                // The next refresh says when it is due again.
                lane.due = None;
            }
        }
    }

    /// When the next lane of the classes with free slots is due.
    pub(crate) fn next_due(&self, free: impl Fn(Class) -> bool) -> Option<Instant> {
        self.lanes
            .values()
            .filter(|lane| free(lane.class))
            .filter_map(|lane| lane.due)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(kinds: &[(i32, f64)], now: Instant) -> Lanes {
        let row = |(id, due_in): &(i32, f64)| LaneRow {
            id: *id,
            kind: 1,
            failing: false,
            due_in: Some(*due_in),
        };
        let mut lanes = Lanes::default();
        lanes.refresh(&kinds.iter().map(row).collect::<Vec<_>>(), now);
        lanes
    }

    fn ids(pick: Option<Pick>) -> Vec<i32> {
        pick.map(|pick| pick.lanes.iter().map(|lane| lane.id).collect())
            .unwrap_or_default()
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let now = Instant::now();
        let mut lanes = lanes(&[(1, -1.0), (2, -1.0), (3, -1.0), (4, 60.0)], now);
        assert_eq!(ids(lanes.pick(Class::Poll, 2, now)), [1, 2]);
        assert_eq!(ids(lanes.pick(Class::Poll, 2, now)), [3, 1]);
        assert_eq!(ids(lanes.pick(Class::Poll, 2, now)), [2, 3]);
        assert_eq!(ids(lanes.pick(Class::Deliver, 2, now)), [0; 0]);
    }

    #[test]
    fn never_more_is_claimed_than_there_are_free_slots() {
        let now = Instant::now();
        for free in 1..100 {
            for count in 1..20 {
                let kinds: Vec<_> = (0..count).map(|id| (id, -1.0)).collect();
                let pick = lanes(&kinds, now).pick(Class::Poll, free, now).unwrap();
                assert!(
                    pick.lanes.len() * pick.most <= free,
                    "{free} slots, {count} lanes: {pick:?}"
                );
            }
        }
    }

    #[test]
    fn an_empty_lane_is_left_alone_until_a_hint() {
        let now = Instant::now();
        let mut lanes = lanes(&[(1, -1.0)], now);
        let pick = lanes.pick(Class::Poll, 4, now).unwrap();
        lanes.claimed(&pick, &[]);
        assert!(lanes.pick(Class::Poll, 4, now).is_none());
        assert!(!lanes.hint(&Hint::Work { lane: 1 }, now));
        assert!(lanes.pick(Class::Poll, 4, now).is_some());
    }

    #[test]
    fn work_that_came_during_a_run_makes_its_lane_due_at_its_end() {
        let start = Instant::now();
        let mut lanes = lanes(&[(1, -1.0)], start);
        let pick = lanes.pick(Class::Poll, 4, start).unwrap();
        lanes.claimed(&pick, &[]);
        let ended = |asked| Hint::Ended {
            lane: 1,
            asked,
            wait: Duration::from_hours(1),
            failing: None,
        };

        lanes.hint(&ended(start), start);
        assert!(lanes.pick(Class::Poll, 4, start).is_none());
        lanes.hint(&Hint::Work { lane: 1 }, start + Duration::from_secs(1));
        let pick = lanes.pick(Class::Poll, 4, start + Duration::from_secs(1));
        lanes.claimed(&pick.unwrap(), &[]);
        lanes.hint(&ended(start), start + Duration::from_secs(2));
        assert!(
            lanes
                .pick(Class::Poll, 4, start + Duration::from_secs(2))
                .is_some()
        );
    }

    #[test]
    fn a_job_that_changes_its_lane_asks_for_a_look() {
        let now = Instant::now();
        let mut lanes = lanes(&[(1, -1.0)], now);
        let ended = |failing| Hint::Ended {
            lane: 1,
            asked: now,
            wait: Duration::ZERO,
            failing,
        };
        assert!(lanes.hint(&ended(Some(true)), now));
        assert!(!lanes.hint(&ended(Some(false)), now));
        assert!(!lanes.hint(&ended(None), now));
        let unknown = Hint::Work { lane: 7 };
        assert!(lanes.hint(&unknown, now));
    }

    #[test]
    fn the_floor_is_forgotten_now_and_then() {
        let now = Instant::now();
        let mut lanes = lanes(&[(1, -1.0)], now);
        lanes.lanes.get_mut(&1).unwrap().floor = Some(DateTime::UNIX_EPOCH);
        assert!(
            lanes.pick(Class::Poll, 1, now).unwrap().lanes[0]
                .floor
                .is_some()
        );
        assert!(
            lanes.pick(Class::Poll, 1, now + SWEEP).unwrap().lanes[0]
                .floor
                .is_none()
        );
    }
}
