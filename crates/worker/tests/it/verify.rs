//! Verification: what is stored, compared with Okta hour by hour.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use model::ids::{RouteId, SourceId};
use model::job::JobKind;
use model::range::Verify;
use okta_sim::{Events, Fault, Shown};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use store::{LedgerHour, SourceChange, Verification};
use testkit::ledger::compare;
use testkit::wait;
use uuid::Uuid;

use crate::house::{House, PATIENCE, event};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

impl House {
    /// A source from now on with one file, verified daily; all its jobs are parked.
    async fn verified_source(&self) -> (SourceId, RouteId) {
        let (source, route) = self.parked().await;
        self.set_verify(source, Verify::Daily).await;
        self.park(JobKind::Verify, source.0).await;
        (source, route)
    }

    async fn set_verify(&self, source: SourceId, verify: Verify) {
        let change = SourceChange {
            verify: Some(verify),
            ..SourceChange::default()
        };
        let store = &self.store;
        let changed = store.update_source(self.tenant, source, change, None).await;
        changed.unwrap();
    }

    /// Runs the verification until its pass is at its end.
    async fn verify(&self, source: SourceId) -> Verification {
        let before = self.pass(source).await.finished_at;
        for _ in 0..200 {
            self.run_again(JobKind::Verify, source).await;
            let pass = self.pass(source).await;
            if !pass.is_under_way() && pass.finished_at != before {
                return pass;
            }
            self.time.advance(2 * MINUTE).await;
        }
        panic!("the pass does not end: {:?}", self.pass(source).await);
    }

    /// Runs a parked job; a worker that was killed before may cost it one more lease.
    async fn run_again(&self, kind: JobKind, source: SourceId) {
        let before = self.job(kind, source.0).await.epoch;
        self.make_due(kind, source.0).await;
        self.rested(kind, source.0, before).await;
    }

    async fn pass(&self, source: SourceId) -> Verification {
        self.store.verification(self.tenant, source).await.unwrap()
    }

    async fn hours(&self, source: SourceId) -> Vec<LedgerHour> {
        let hours = self.store.ledger(self.tenant, source, None, 100_000).await;
        hours.unwrap()
    }

    /// Events that only some queries show, published now.
    fn persist_shown(&self, count: usize, shown: Shown) -> (Vec<Vec<u8>>, usize) {
        let events = self.fresh(count);
        let index = self
            .org()
            .persist_shown(Events::from_lines(&events).unwrap(), shown);
        (events, index)
    }

    async fn until_at_head(&self, source: SourceId) {
        for _ in 0..200 {
            let asked = self.org().clock().now();
            self.run_again(JobKind::Poll, source).await;
            if self.log(source).await.head_at >= Some(asked) {
                return;
            }
            self.time.advance(2 * MINUTE).await;
        }
        panic!("polling does not come to the head");
    }
}

/// Found, missing, restored: of the pass, and summed over the hours.
fn counts(pass: &Verification, hours: &[LedgerHour]) -> [(i64, i64); 3] {
    let sum = |of: fn(&LedgerHour) -> i64| hours.iter().map(of).sum();
    [
        (pass.found, sum(|hour| hour.found)),
        (pass.missing, sum(|hour| hour.missing)),
        (pass.restored, sum(|hour| hour.restored)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_event_is_found_stored_delivered_and_a_duplicate_if_polling_brings_it() {
    let house = House::new().await;
    let worker = house.start();
    let shown = house.fresh(3);
    house.persist(&shown);
    let (withheld, index) = house.persist_shown(1, Shown::Bounded);
    let (source, route) = house.verified_source().await;
    house.time.advance(3 * HOUR).await;
    house.until_at_head(source).await;
    assert_eq!(house.log(source).await.stored, 3);

    let pass = house.verify(source).await;

    let hours = house.hours(source).await;
    assert_eq!(counts(&pass, &hours), [(1, 1), (0, 0), (0, 0)]);
    let hour = hours.iter().find(|hour| hour.found == 1).unwrap();
    assert_eq!((hour.stored, hour.verified_events), (4, Some(4)));
    assert!(hour.verified_at.is_some() && hour.unverified.is_none());
    house.deliver(route).await;
    let all: Vec<_> = [&shown[..], &withheld[..]].concat();
    let compared = compare(&all, &house.output("out.ndjson"));
    assert!(
        compared.is_perfect() && compared.delivered == 4,
        "{compared}"
    );
    let cursor = house.log(source).await.cursor;

    assert!(house.org().reveal(index));
    house.poll(source).await;
    let log = house.log(source).await;
    assert_eq!((log.stored, log.fallbacks), (4, 0));
    assert_ne!(log.cursor, cursor, "polling was shown it");
    assert_eq!(house.ledger(source).await.duplicate, 1);
    let again = house.verify(source).await;
    assert_eq!((again.found, again.hours), (0, 0), "nothing is left to do");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_batch_is_missed_brought_back_and_the_next_pass_is_clean() {
    let house = House::new().await;
    let worker = house.start();
    let events = house.fresh(40);
    house.persist(&events[..25]);
    let (source, route) = house.verified_source().await;
    house.poll(source).await;
    house.persist(&events[25..]);
    house.time.advance(3 * HOUR).await;
    house.until_at_head(source).await;
    house.deliver(route).await;
    let pass = house.verify(source).await;
    assert_eq!((pass.found, pass.missing), (0, 0));
    assert!(
        house
            .hours(source)
            .await
            .iter()
            .any(|hour| hour.verified_events == Some(40))
    );

    for table in ["batches", "batch_ids"] {
        let lost = format!("DELETE FROM {table} WHERE number = 1");
        assert_eq!(house.execute(&lost).await, 1);
    }
    let pass = house.verify(source).await;

    let hours = house.hours(source).await;
    assert_eq!(counts(&pass, &hours), [(0, 0), (25, 25), (25, 25)]);
    let hour = hours.iter().find(|hour| hour.missing == 25).unwrap();
    assert_eq!((hour.stored, hour.verified_events), (40, Some(40)));
    house.deliver(route).await;
    assert_eq!(
        house.lines("out.ndjson").len(),
        65,
        "they are delivered again"
    );
    let clean = house.verify(source).await;
    assert_eq!((clean.found, clean.missing, clean.restored), (0, 0, 0));
    assert_eq!(clean.hours, 0, "the verdict stands");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_is_not_verified_before_polling_stood_at_the_head_after_it() {
    let house = House::new().await;
    let worker = house.start();
    let (source, _) = house.verified_source().await;
    let now = house.org().clock().now();
    let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap() + TimeDelta::hours(1);
    let till = |at: DateTime<Utc>| (at - house.org().clock().now()).to_std().unwrap();
    house.time.advance(till(hour)).await;
    house.persist(&house.fresh(2));
    house.poll(source).await;
    let why = async || {
        let hours = house.hours(source).await;
        let it = hours.into_iter().find(|it| it.hour == hour).unwrap();
        it.unverified
    };

    // The hour is long over, but nobody has looked since.
    house.time.advance(5 * HOUR).await;
    house.verify(source).await;
    assert_eq!(why().await.as_deref(), Some("not_at_head"));
    house.until_at_head(source).await;
    assert_eq!(why().await.as_deref(), Some("pending"));
    house.set_verify(source, Verify::Off).await;
    assert_eq!(why().await.as_deref(), Some("verify_off"));
    let asked = house.log_requests().len();
    house.step(JobKind::Verify, source.0).await;
    assert_eq!(house.log_requests().len(), asked, "off asks nothing");
    house.set_verify(source, Verify::Hourly).await;
    house.park(JobKind::Verify, source.0).await;
    house.verify(source).await;
    assert_eq!(why().await, None);
    let through = house.pass(source).await.complete_through.unwrap();
    assert!(through > hour && through <= house.org().clock().now());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bounded_queries_lack_is_information_and_a_gap_is_closed() {
    let house = House::new().await;
    let worker = house.start();
    let (source, _) = house.verified_source().await;
    house.persist(&house.fresh(5));
    house.persist_shown(2, Shown::Polling);
    house.poll(source).await;
    house
        .execute("UPDATE source_ledger SET gap = true WHERE stored > 0")
        .await;
    house.time.advance(3 * HOUR).await;
    house.until_at_head(source).await;

    house.verify(source).await;

    let hours = house.hours(source).await;
    let hour = hours.iter().find(|hour| hour.stored > 0).unwrap();
    assert_eq!(
        (hour.stored, hour.verified_events, hour.not_shown),
        (7, Some(5), 2)
    );
    assert!(!hour.gap && hour.verified_at.is_some());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_its_next_link_ends_no_hour_that_has_more() {
    let house = House::new().await;
    let worker = house.start();
    let (source, _) = house.verified_source().await;
    for n in 0..1500 {
        house.persist(&house.fresh(1));
        house.time.advance(Duration::from_secs(10)).await;
        if n == 1400 {
            // The last page holds one that only a bounded query shows.
            house.persist_shown(1, Shown::Bounded);
        }
    }
    house.time.advance(3 * HOUR).await;
    house.until_at_head(source).await;
    assert_eq!(house.log(source).await.stored, 1500);
    house.org().inject(Fault::NoNextLink.once());
    house.verify(source).await;
    assert_eq!(house.org().pending_faults(), 0, "a full page lost its link");

    let hours = house.hours(source).await;
    let of = |hour: &LedgerHour| (hour.verified_at.is_some(), hour.not_shown);
    let seen: i64 = hours.iter().filter_map(|hour| hour.verified_events).sum();
    assert_eq!(seen, 1501);
    assert!(
        hours
            .iter()
            .filter(|hour| hour.stored > 0)
            .all(|hour| of(hour) == (true, 0))
    );

    house
        .execute("UPDATE source_ledger SET verified_at = NULL, verified_events = NULL")
        .await;
    house.org().inject(Fault::ShortPage(3).times(2));
    house.org().inject(Fault::NoNextLink.times(2));
    house.verify(source).await;
    let hours = house.hours(source).await;
    let seen: i64 = hours.iter().filter_map(|hour| hour.verified_events).sum();
    assert_eq!((house.org().pending_faults(), seen), (0, 1501));
    assert!(hours.iter().all(|hour| hour.not_shown == 0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_cannot_be_read_does_not_stop_the_others() {
    let house = House::new().await;
    let worker = house.start();
    let (source, _) = house.verified_source().await;
    house.time.advance(HOUR).await;
    house.persist(&house.fresh(2));
    house.time.advance(4 * HOUR).await;
    house.persist(&house.fresh(2));
    house.time.advance(3 * HOUR).await;
    house.until_at_head(source).await;
    house.org().inject(Fault::GarbagePage.times(60));

    let pass = house.verify(source).await;

    assert!(pass.skipped >= 1, "{pass:?}");
    house.org().clear_faults();
    let pass = house.verify(source).await;
    assert_eq!((pass.skipped, pass.found), (0, 0));
    let left = house.hours(source).await;
    let left = left
        .iter()
        .filter(|hour| hour.unverified.as_deref() == Some("pending"));
    assert_eq!(left.count(), 0);
    worker.stop().await;
}

fn faults(seed: &mut StdRng) -> Vec<Fault> {
    let mut faults = vec![
        Fault::RateLimit,
        Fault::ConcurrencyLimit,
        Fault::InternalError,
        Fault::Html(503),
        Fault::RefusedCursor,
        Fault::TruncatedPage,
        Fault::GarbagePage,
        Fault::CutBody,
        Fault::ShortPage(3),
        Fault::NoNextLink,
    ];
    faults.retain(|_| seed.random_bool(0.3));
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_with_all_faults_on_is_verified_to_the_last_hour() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let house = House::new().await;
    let mut worker = house.start();
    let (source, route) = house.verified_source().await;
    let mut events: Vec<Vec<u8>> = Vec::new();
    let mut withheld = 0;
    for hour in 0..30 * 24 {
        house.time.advance(HOUR).await;
        let now = house.org().clock().now();
        for _ in 0..dice.random_range(0..4) {
            let late = TimeDelta::seconds(dice.random_range(-240..600));
            let at = (now - late).to_rfc3339();
            events.push(event(&Uuid::new_v4().to_string(), &at, hour));
            let one = Events::from_lines(&events[events.len() - 1..]).unwrap();
            if dice.random_bool(0.02) {
                withheld += 1;
                house.org().persist_shown(one, Shown::Bounded);
            } else {
                house.org().persist(one);
            }
        }
        if hour % 6 == 5 {
            for fault in faults(&mut dice) {
                house.org().inject(fault.times(dice.random_range(1..3)));
            }
            if dice.random_bool(0.1) {
                // A crash in the middle of whatever it does.
                let asked = house.log_requests().len();
                house.make_due(JobKind::Poll, source.0).await;
                wait::until("the poll has begun", PATIENCE, async || {
                    let now = house.log_requests().len();
                    if now > asked { Ok(()) } else { Err(now) }
                })
                .await;
                worker.kill().await;
                house.time.advance(2 * MINUTE).await;
                worker = house.start();
                house.rested(JobKind::Poll, source.0, 0).await;
            }
            house.until_at_head(source).await;
            house.org().clear_faults();
            house.deliver(route).await;
        }
        if hour % 24 == 23 {
            for fault in faults(&mut dice) {
                house.org().inject(fault.times(dice.random_range(1..3)));
            }
            house.verify(source).await;
            house.org().clear_faults();
        }
    }
    house.deliver(route).await;
    worker.stop().await;

    let pass = house.pass(source).await;
    let through = pass.complete_through.unwrap();
    let late = house.org().clock().now() - through;
    assert!(late < TimeDelta::hours(12), "seed {seed}: {late}");
    let hours = house.hours(source).await;
    let before: Vec<_> = hours.iter().filter(|hour| hour.hour < through).collect();
    assert!(before.len() >= 29 * 24, "seed {seed}: {}", before.len());
    for hour in before {
        assert!(
            hour.verified_at.is_some() && !hour.gap && hour.missing == 0,
            "seed {seed}: {hour:?}"
        );
        assert!(
            hour.verified_events <= Some(hour.stored),
            "seed {seed}: {hour:?}"
        );
    }
    let found: i64 = hours.iter().map(|hour| hour.found).sum();
    let compared = compare(&events, &house.output("out.ndjson"));
    println!("{compared}, withheld {withheld}, found {found}");
    assert_eq!(pass.found_total, found, "seed {seed}");
    assert!(
        (withheld - 2..=withheld).contains(&found),
        "seed {seed}: {found} of {withheld}"
    );
    assert_eq!(
        compared.delivered,
        events.len() - usize::try_from(withheld - found).unwrap(),
        "seed {seed}"
    );
}
