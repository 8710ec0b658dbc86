//! Budgets as they are kept: shared, locked, of one token of one org in one tenant. The rules
//! themselves are tested where they are, in `model::budget`.

use std::time::Duration;

use model::budget::{Block, Grant, Heard, Priority, Report};
use model::ids::CredentialId;
use model::job::JobKind;
use store::{BudgetKey, Draw};
use testkit::time::Time;

use crate::common::House;
use crate::races::somebody_waits;

const ONE: Draw = Draw {
    priority: Priority::Live,
    share: 0.9,
    most: 1,
};

async fn budget() -> (House, Time, BudgetKey) {
    let (house, time) = House::with_time().await;
    let key = BudgetKey::of(&house.credential("acme").await);
    (house, time, key)
}

fn heard(limit: u32, remaining: u32, reset: i64) -> Heard {
    Heard {
        limit,
        remaining,
        reset,
        resets_in: Duration::from_mins(1),
        ago: Duration::ZERO,
    }
}

async fn draw(house: &House, key: &BudgetKey, draw: Draw) -> Grant {
    let nothing = Report::default();
    house
        .store
        .draw_requests(key, draw, &nothing)
        .await
        .unwrap()
}

/// How many requests are granted one after the other, at most 200.
async fn granted(house: &House, key: &BudgetKey, what: Draw) -> usize {
    for n in 0..200 {
        if matches!(draw(house, key, what).await, Grant::Wait(_)) {
            return n;
        }
    }
    200
}

/// Begins a window: one request, and its answer.
async fn begin(house: &House, key: &BudgetKey, heard: Heard) {
    let Grant::Go(Block {
        window, permits, ..
    }) = draw(house, key, ONE).await
    else {
        panic!("a window is open");
    };
    assert_eq!(permits, 1);
    let report = Report {
        window,
        used: 1,
        heard: Some(heard),
        ..Report::default()
    };
    house
        .store
        .settle_requests(key, 0.9, &report)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_window_is_used_up_waited_for_and_begun_again() {
    let (house, time, key) = budget().await;
    begin(&house, &key, heard(60, 59, 1000)).await;
    assert_eq!(granted(&house, &key, ONE).await, 53);
    time.advance(Duration::from_mins(1)).await;
    assert_eq!(
        granted(&house, &key, ONE).await,
        0,
        "headers have whole seconds"
    );
    time.advance(Duration::from_secs(2)).await;
    assert_eq!(
        granted(&house, &key, ONE).await,
        1,
        "the next window begins as carefully"
    );
}

#[tokio::test]
async fn a_budget_is_of_one_token_of_one_org_in_one_tenant() {
    let (house, _, key) = budget().await;
    let twin = BudgetKey::of(&house.credential_at("twin", "acme", "00another").await);
    begin(&house, &key, heard(10, 0, 1000)).await;
    begin(&house, &twin, heard(10, 9, 1000)).await;
    assert_eq!(
        (
            granted(&house, &key, ONE).await,
            granted(&house, &twin, ONE).await
        ),
        (0, 8)
    );
}

#[tokio::test]
async fn two_credentials_with_one_token_share_its_budget() {
    let (house, _, key) = budget().await;
    let again = house
        .credential_at("again", "acme", crate::common::TOKEN)
        .await;
    begin(&house, &key, heard(10, 9, 1000)).await;
    assert_eq!(granted(&house, &BudgetKey::of(&again), ONE).await, 8);
    assert_eq!(granted(&house, &key, ONE).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_granted_no_more_than_there_is() {
    let (house, _, key) = budget().await;
    let grants = async |n: usize| {
        let asking = (0..n).map(|_| draw(&house, &key, ONE));
        let answers = futures_util::future::join_all(asking).await;
        let went = |answer: &&Grant| matches!(answer, Grant::Go(_));
        answers.iter().filter(went).count()
    };
    assert_eq!(grants(40).await, 1);
    let first = Report {
        used: 1,
        heard: Some(heard(40, 39, 1000)),
        ..Report::default()
    };
    house
        .store
        .settle_requests(&key, 0.9, &first)
        .await
        .unwrap();
    assert_eq!(grants(60).await, 35);
}

#[tokio::test]
async fn an_answer_that_meets_another_ones_request_is_noted() {
    let (house, _, key) = budget().await;
    assert_eq!(granted(&house, &key, ONE).await, 1);
    let mut other = house.client().await;
    let taking = other.transaction().await.unwrap();
    let take = "UPDATE budgets SET left_over = left_over";
    taking.execute(take, &[]).await.unwrap();
    let first = Report {
        used: 1,
        heard: Some(heard(60, 59, 1000)),
        ..Report::default()
    };
    let noting = tokio::spawn({
        let (house, key) = (house.clone(), key.clone());
        async move { house.store.settle_requests(&key, 0.9, &first).await }
    });
    somebody_waits(&house).await;
    taking.commit().await.unwrap();
    noting.await.unwrap().unwrap();
    assert_eq!(granted(&house, &key, ONE).await, 53);
}

#[tokio::test]
async fn blocks_are_a_quarter_of_what_is_left_by_the_workers_there_are() {
    let (house, _, key) = budget().await;
    begin(&house, &key, heard(100, 99, 1000)).await;
    house.store.worker_alive(1, "one").await.unwrap();
    house.store.worker_alive(2, "two").await.unwrap();
    let block = Draw {
        most: u32::MAX,
        ..ONE
    };
    let Grant::Go(Block { permits, .. }) = draw(&house, &key, block).await else {
        panic!("nothing granted");
    };
    assert_eq!(permits, 89 / 8);
}

#[tokio::test]
async fn a_backfill_waits_for_polls_that_are_due_and_leaves_what_is_planned() {
    let (house, time) = House::with_time().await;
    let source = house.source("acme").await;
    let credential = CredentialId(source.credential_id);
    let credential = house.store.credential(house.tenant, credential);
    let key = BudgetKey::of(&credential.await.unwrap());
    let backfill = Draw {
        priority: Priority::Backfill,
        ..ONE
    };
    begin(&house, &key, heard(10, 9, 1000)).await;
    // Its first poll is due at once.
    assert_eq!(granted(&house, &key, backfill).await, 0);

    let sql = house.client().await;
    let plan = "UPDATE job_schedule SET run_at = collector_now() + make_interval(secs => $1) FROM jobs j \
         WHERE j.id = job_id AND j.kind = $2";
    let kind = JobKind::Poll.number();
    sql.execute(plan, &[&30f64, &kind]).await.unwrap();
    assert_eq!(
        granted(&house, &key, backfill).await,
        7,
        "one of eight is planned"
    );
    assert_eq!(granted(&house, &key, ONE).await, 1);

    time.advance(Duration::from_secs(70)).await;
    begin(&house, &key, heard(10, 9, 1070)).await;
    sql.execute(plan, &[&3600f64, &kind]).await.unwrap();
    assert_eq!(
        granted(&house, &key, backfill).await,
        7,
        "one was asked for polling in the last window"
    );
}

#[tokio::test]
async fn a_refusal_of_the_org_silences_all_its_tokens_and_nobody_elses() {
    let (house, time, key) = budget().await;
    let twin = BudgetKey::of(&house.credential_at("twin", "acme", "00another").await);
    let elsewhere = BudgetKey::of(&house.credential_with("other", "00another").await);
    begin(&house, &key, heard(60, 59, 1000)).await;
    begin(&house, &twin, heard(60, 59, 1000)).await;

    let mut refusal = heard(60, 0, 990);
    refusal.resets_in = Duration::from_secs(40);
    let noted = house.store.note_rate_refusal(&key, Some(&refusal));
    assert!(noted.await.unwrap(), "59 were left a moment ago");
    for key in [&key, &twin] {
        let Grant::Wait(wait) = draw(&house, key, ONE).await else {
            panic!("granted");
        };
        assert!(
            wait > Duration::from_secs(35) && wait <= Duration::from_secs(40),
            "{wait:?}"
        );
    }
    assert_eq!(granted(&house, &elsewhere, ONE).await, 1);
    time.advance(Duration::from_secs(41)).await;
    assert!(granted(&house, &twin, ONE).await > 0);
}

#[tokio::test]
async fn a_refusal_that_its_own_window_explains_is_its_own() {
    let (house, _, key) = budget().await;
    let twin = BudgetKey::of(&house.credential_at("twin", "acme", "00another").await);
    begin(&house, &key, heard(60, 3, 1000)).await;
    begin(&house, &twin, heard(60, 59, 1000)).await;
    let refusal = heard(60, 0, 1000);
    let noted = house.store.note_rate_refusal(&key, Some(&refusal));
    assert!(!noted.await.unwrap());
    assert_eq!(granted(&house, &twin, ONE).await, 53);
}
