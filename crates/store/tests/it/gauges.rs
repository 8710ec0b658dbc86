//! The figures that operators watch, and what it costs to read them.

use std::time::Duration;

use model::budget::{Heard, Report};
use model::ids::{CredentialId, SourceId};
use model::job::JobKind;
use store::BudgetKey;

use crate::common::{Events, HOUR, House};

const GAUGES: &str = include_str!("../../src/gauges.rs");

/// Whether an age is this many seconds, give or take what a test takes.
#[track_caller]
fn assert_age(found: f64, expected: f64) {
    assert!((found - expected).abs() < 60.0, "{found}, not {expected}");
}

#[tokio::test]
async fn ages_and_backlogs_are_those_of_the_tables() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let route = house.route(&source, "out").await;
    let now = house.now().await;
    for numbers in [0..3, 3..6] {
        house.poll(&source, &Events::some(numbers, now)).await;
    }
    let credential = house
        .store
        .credential(house.tenant, CredentialId(source.credential_id));
    let credential = credential.await.unwrap();
    let accepted = house
        .store
        .credential_accepted(house.tenant, &credential, None);
    accepted.await.unwrap();
    time.advance(2 * HOUR).await;
    // A window that is open now.
    let budget = BudgetKey::of(&credential);
    let heard = Heard {
        limit: 100,
        remaining: 99,
        reset: 1000,
        resets_in: Duration::from_secs(50),
        ago: Duration::ZERO,
    };
    let report = Report {
        heard: Some(heard),
        ..Report::default()
    };
    let settled = house.store.settle_requests(&budget, 0.9, &report);
    settled.await.unwrap();

    let gauges = house.store.gauges(10).await.unwrap();

    let [found] = gauges.sources.as_slice() else {
        panic!("{gauges:?}");
    };
    assert_eq!((found.tenant, found.id), (house.tenant.0, source.id));
    assert_age(found.success_age, 7200.0);
    assert_age(found.lag.unwrap(), 7200.0);
    assert_age(found.refresh, 3600.0);
    assert_eq!((gauges.sources_enabled, gauges.sources_overdue), (1, 0));
    let [waiting] = gauges.routes.as_slice() else {
        panic!("{gauges:?}");
    };
    assert_eq!(
        (waiting.id, waiting.pending, gauges.pending),
        (route.id, 2, 2)
    );
    assert_age(waiting.waiting, 7200.0);
    for kind in [JobKind::Poll, JobKind::Deliver] {
        let jobs = gauges.jobs.iter().find(|jobs| jobs.kind == kind.number());
        let jobs = jobs.unwrap();
        assert_eq!(jobs.due, 1, "{kind}");
        assert_age(jobs.oldest, 7200.0);
    }
    let states = &gauges.credentials;
    assert_eq!((states.len(), states[0].state.as_str()), (1, "valid"));
    assert_age(gauges.expiries[0].left, 30.0 * 86_400.0 - 7200.0);
    assert!((gauges.budgets[0].left - 0.89).abs() < 1e-9, "{gauges:?}");
    assert_eq!(gauges.budgets[0].id, credential.id);

    time.advance(2 * HOUR).await;
    let gauges = house.store.gauges(10).await.unwrap();
    assert_eq!((gauges.sources_overdue, gauges.budgets.len()), (1, 0));
}

#[tokio::test]
async fn paused_sources_and_what_is_beyond_the_bound_are_only_counted() {
    let house = House::new().await;
    let mut sources = Vec::new();
    for name in ["one", "two", "three"] {
        sources.push(house.source(name).await);
    }
    let paused = SourceId(sources[0].id);
    let pausing = house.store.set_source_enabled(house.tenant, paused, false);
    pausing.await.unwrap();

    let gauges = house.store.gauges(1).await.unwrap();

    // The one that has waited for longest.
    let shown: Vec<_> = gauges.sources.iter().map(|source| source.id).collect();
    assert_eq!(shown, [sources[1].id]);
    assert_eq!((gauges.sources_enabled, gauges.sources_paused), (2, 1));
    assert_eq!((gauges.workers, gauges.worker_age), (0, None));
}

#[tokio::test]
async fn reading_them_looks_at_no_stored_event() {
    let house = House::new().await;
    let source = house.source("acme").await;
    house.route(&source, "out").await;
    let now = house.now().await;
    house.poll(&source, &Events::some(0..3, now)).await;
    let text = GAUGES.split("const GAUGES: &str = \"").nth(1).unwrap();
    let text = text.split("\";").next().unwrap().replace("\\\n", "");
    let explain = format!("EXPLAIN {}", text.replace("$1", "1000"));

    let plan = house.client().await.query(&explain, &[]).await.unwrap();

    let plan: String = plan
        .iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect();
    assert!(plan.contains("on job_schedule"), "{plan}");
    for table in ["batches", "batch_ids", "ledger", "dead_letters"] {
        let pages = plan.replace("quarantined_pages", "");
        assert!(!pages.contains(table), "{table}: {plan}");
    }
}
