//! Budgets: what a token may still ask, shared by all who use it.

use std::time::Duration;

use model::credential::Secret;
use store::{BudgetKey, Grant, WindowSeen};
use testkit::time::Time;

use crate::common::House;
use crate::races::somebody_waits;

async fn budget() -> (House, Time, BudgetKey) {
    let (house, time) = House::with_time().await;
    let key = BudgetKey::of(&house.credential("acme").await);
    (house, time, key)
}

fn window(limit: u32, remaining: u32, seconds: u64) -> WindowSeen {
    WindowSeen {
        limit,
        remaining,
        resets_in: Duration::from_secs(seconds),
    }
}

/// How many requests are granted one after the other, at most 200.
async fn granted(house: &House, key: &BudgetKey) -> usize {
    for n in 0..200 {
        if house.store.take_request(key).await.unwrap() != Grant::Go {
            return n;
        }
    }
    200
}

async fn note(house: &House, key: &BudgetKey, seen: impl Into<Option<WindowSeen>>) {
    house
        .store
        .note_window(key, seen.into(), 0.9)
        .await
        .unwrap();
}

async fn wait(house: &House, key: &BudgetKey) -> Duration {
    match house.store.take_request(key).await.unwrap() {
        Grant::Go => panic!("granted"),
        Grant::Wait(wait) => wait,
    }
}

#[tokio::test]
async fn before_the_first_answer_of_a_window_there_is_one_request() {
    let (house, time, key) = budget().await;
    assert_eq!(granted(&house, &key).await, 1);
    assert!(
        wait(&house, &key).await < Duration::from_secs(1),
        "the answer comes within a round trip"
    );

    // 60 in the window, 59 left; 54 are ours.
    note(&house, &key, window(60, 59, 30)).await;
    assert_eq!(granted(&house, &key).await, 53);
    let left = wait(&house, &key).await;
    assert!(
        left > Duration::from_secs(25) && left <= Duration::from_secs(30),
        "{left:?}"
    );

    time.advance(Duration::from_secs(31)).await;
    assert_eq!(
        granted(&house, &key).await,
        1,
        "the next window begins as carefully"
    );
}

#[tokio::test]
async fn an_answer_that_never_comes_holds_the_others_up_for_a_minute() {
    let (house, time, key) = budget().await;
    assert_eq!(granted(&house, &key).await, 1);
    time.advance(Duration::from_secs(58)).await;
    assert_eq!(granted(&house, &key).await, 0);
    time.advance(Duration::from_secs(3)).await;
    assert_eq!(granted(&house, &key).await, 1);
}

#[tokio::test]
async fn within_a_window_the_smaller_figure_wins() {
    let (house, _, key) = budget().await;
    granted(&house, &key).await;
    note(&house, &key, window(100, 99, 40)).await;
    for _ in 0..20 {
        assert_eq!(house.store.take_request(&key).await.unwrap(), Grant::Go);
    }
    // Answers come out of order, and not to the second: 69 are left of 89.
    for remaining in [79, 95, 85] {
        note(&house, &key, window(100, remaining, 41)).await;
    }
    assert_eq!(granted(&house, &key).await, 69);

    // Somebody else uses the token too.
    let (house, _, key) = budget().await;
    granted(&house, &key).await;
    note(&house, &key, window(100, 99, 40)).await;
    note(&house, &key, window(100, 25, 39)).await;
    note(&house, &key, window(100, 90, 40)).await;
    assert_eq!(granted(&house, &key).await, 15);
}

#[tokio::test]
async fn an_answer_of_the_window_before_changes_nothing() {
    let (house, time, key) = budget().await;
    granted(&house, &key).await;
    note(&house, &key, window(60, 50, 10)).await;
    time.advance(Duration::from_secs(12)).await;
    assert_eq!(granted(&house, &key).await, 1);
    note(&house, &key, window(60, 59, 58)).await;
    note(&house, &key, window(60, 3, 0)).await;
    assert_eq!(granted(&house, &key).await, 53);
}

#[tokio::test]
async fn a_used_up_window_grants_nothing_until_it_resets() {
    let (house, time, key) = budget().await;
    granted(&house, &key).await;
    note(&house, &key, window(60, 0, 45)).await;
    assert_eq!(granted(&house, &key).await, 0);
    time.advance(Duration::from_secs(44)).await;
    assert_eq!(granted(&house, &key).await, 0);
    time.advance(Duration::from_secs(2)).await;
    assert_eq!(granted(&house, &key).await, 1);
}

#[tokio::test]
async fn without_headers_requests_go_one_by_one() {
    let (house, _, key) = budget().await;
    for _ in 0..3 {
        assert_eq!(granted(&house, &key).await, 1);
        note(&house, &key, None).await;
    }
    // In a window an answer without headers leaves it as it is.
    granted(&house, &key).await;
    note(&house, &key, window(10, 9, 30)).await;
    note(&house, &key, None).await;
    assert_eq!(granted(&house, &key).await, 8);
}

#[tokio::test]
async fn odd_figures_do_no_harm() {
    let (house, _, key) = budget().await;
    granted(&house, &key).await;
    for seen in [
        window(0, 0, 0),
        window(1, 1, 10),
        window(u32::MAX, u32::MAX, 20),
        window(5, 1000, 40),
    ] {
        note(&house, &key, seen).await;
    }
    for share in [-1.0, 0.0, 7.0, f64::NAN] {
        house
            .store
            .note_window(&key, Some(window(100, 50, 60)), share)
            .await
            .unwrap();
    }
    // A share of nothing still leaves one request a window, or nothing would ever be read.
    let (house, _, key) = budget().await;
    granted(&house, &key).await;
    house
        .store
        .note_window(&key, Some(window(100, 100, 60)), 0.0)
        .await
        .unwrap();
    assert_eq!(granted(&house, &key).await, 1);
}

#[tokio::test]
async fn a_budget_is_of_one_token_of_one_org_in_one_tenant() {
    let (house, _, key) = budget().await;
    let twin = BudgetKey::of(&house.credential_with("twin", "00another").await);
    assert_eq!(granted(&house, &key).await, 1);
    assert_eq!(granted(&house, &twin).await, 1);
    note(&house, &key, window(10, 0, 60)).await;
    note(&house, &twin, window(10, 9, 60)).await;
    assert_eq!(
        (granted(&house, &key).await, granted(&house, &twin).await),
        (0, 8)
    );
}

#[tokio::test]
async fn two_credentials_with_one_token_share_its_budget() {
    let (house, _, key) = budget().await;
    let new = store::NewCredential {
        name: "again".to_owned(),
        origin: "https://acme.okta.com".to_owned(),
        secret: Secret::Ssws(crate::common::TOKEN.into()),
    };
    let again = house
        .store
        .create_credential(house.tenant, new)
        .await
        .unwrap();
    assert_eq!(granted(&house, &key).await, 1);
    assert_eq!(granted(&house, &BudgetKey::of(&again)).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_granted_no_more_than_there_is() {
    let (house, _, key) = budget().await;
    let grants = async |n: usize| {
        let asking = (0..n).map(|_| house.store.take_request(&key));
        let answers = futures_util::future::join_all(asking).await;
        answers
            .into_iter()
            .filter(|answer| *answer.as_ref().unwrap() == Grant::Go)
            .count()
    };
    assert_eq!(grants(40).await, 1);
    note(&house, &key, window(40, 39, 60)).await;
    assert_eq!(grants(60).await, 35);
}

#[tokio::test]
async fn an_answer_that_meets_another_ones_request_is_noted() {
    let (house, _, key) = budget().await;
    granted(&house, &key).await;
    let mut other = house.client().await;
    let taking = other.transaction().await.unwrap();
    let take = "UPDATE budgets SET left_over = left_over";
    taking.execute(take, &[]).await.unwrap();
    let noting = tokio::spawn({
        let (house, key) = (house.clone(), key.clone());
        async move { note(&house, &key, window(60, 59, 30)).await }
    });
    somebody_waits(&house).await;
    taking.commit().await.unwrap();
    noting.await.unwrap();
    assert_eq!(granted(&house, &key).await, 53);
}
