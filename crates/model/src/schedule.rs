//! When a job runs again: fixed phases and backoff. Pure; time and chance are arguments.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Time until the next run of something that runs every `period`.
///
/// Each subject has a fixed phase, so that thousands with one period do not fire together and a
/// restart moves nobody. Missed periods are not replayed. The first slot after a run off the grid
/// (the first poll, a poll by hand) is between half and one and a half periods away.
pub fn until_next_slot(subject: Uuid, period: Duration, now: DateTime<Utc>) -> Duration {
    let period_ms = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
    let (high, low) = subject.as_u64_pair();
    // The low half of a UUIDv7 is random; the high half is time and would put neighbours together.
    let phase = i64::try_from((low ^ high.rotate_left(32)) % period_ms.unsigned_abs()).unwrap_or(0);
    let earliest = now.timestamp_millis().saturating_add(period_ms / 2);
    let wait = (phase - earliest).rem_euclid(period_ms);
    Duration::from_millis((period_ms / 2).saturating_add(wait).unsigned_abs())
}

/// Delay before attempt `attempt + 1`: capped exponential with full jitter above half.
///
/// `chance` is uniform in `0.0..1.0`. The delay is never under half of the nominal one, so that a
/// broken peer is not hit at once, and never over `cap`.
pub fn backoff(attempt: u32, base: Duration, cap: Duration, chance: f64) -> Duration {
    let nominal = base
        .saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1).min(20)))
        .min(cap);
    nominal.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

/// `now` plus a duration, saturating at the far end of time.
pub fn after(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|d| now.checked_add_signed(d))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slots_of_one_subject_lie_on_one_grid(id: u128, period in 10u64..2_592_000, at in 0i64..4_000_000_000_000) {
            let (id, period) = (Uuid::from_u128(id), Duration::from_secs(period));
            let now = DateTime::from_timestamp_millis(at).unwrap();
            let first = after(now, until_next_slot(id, period, now));
            let wait = until_next_slot(id, period, first);
            prop_assert_eq!(wait, period, "a run on the grid is followed by one exactly a period later");
            let late = after(first, period / 4);
            prop_assert_eq!(after(late, until_next_slot(id, period, late)), after(first, period));
        }

        #[test]
        fn the_next_slot_is_neither_at_once_nor_far(id: u128, period in 10u64..2_592_000, at in 0i64..4_000_000_000_000) {
            let period = Duration::from_secs(period);
            let wait = until_next_slot(Uuid::from_u128(id), period, DateTime::from_timestamp_millis(at).unwrap());
            prop_assert!(wait >= period / 2 && wait <= period * 3 / 2, "{wait:?} of {period:?}");
        }

        #[test]
        fn backoff_stays_between_half_the_base_and_the_cap(attempt in 0u32..5_000_000, chance in 0.0f64..1.0) {
            let (base, cap) = (Duration::from_secs(1), Duration::from_mins(1));
            let wait = backoff(attempt, base, cap, chance);
            prop_assert!(wait >= base / 2 && wait <= cap);
        }
    }

    #[test]
    fn backoff_doubles() {
        let waits: Vec<_> = (1..=7)
            .map(|n| backoff(n, Duration::from_secs(1), Duration::from_mins(1), 1.0).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60]);
    }

    #[test]
    fn neighbours_are_spread_over_the_period() {
        let period = Duration::from_hours(1);
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let mut buckets = [0; 10];
        for n in 0..1000u128 {
            // UUIDv7s made in one millisecond: equal time, random rest.
            let id = Uuid::from_u128(
                (0x0193_0000_0000_7000_8000_0000_0000_0000)
                    | (n * 0x9e37_79b9_7f4a_7c15) & 0x3fff_ffff_ffff_ffff,
            );
            let wait = until_next_slot(id, period, now).saturating_sub(period / 2);
            buckets[(wait.as_secs() / 360).min(9) as usize] += 1;
        }
        assert!(buckets.iter().all(|n| (50..200).contains(n)), "{buckets:?}");
    }
}
