//! Tokens: who is let in, and what becomes of them.

use std::time::Duration;

use okta_sim::TokenState;

use crate::support::{Answer, Fixture, TOKEN};

async fn ask(sim: &Fixture, authorization: Option<&str>) -> (u16, String) {
    let mut request = sim.client.get(sim.url("/api/v1/logs?limit=1"));
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let answer = Answer::of(request.send().await.unwrap()).await;
    (
        answer.status,
        if answer.status == 200 {
            String::new()
        } else {
            answer.code()
        },
    )
}

#[tokio::test]
async fn the_authorization_header_decides() {
    let sim = Fixture::start().await;
    let cases = [
        (None, 403, "E0000005"),
        (Some("SSWS 00canary-token"), 200, ""),
        (Some("SSWS00canary-token"), 200, ""),
        (Some("SSWS 00other"), 401, "E0000011"),
        (Some("SSWS "), 401, "E0000011"),
        (Some("Basic eDp5"), 401, "E0000011"),
    ];

    for (value, status, code) in cases {
        assert_eq!(
            ask(&sim, value).await,
            (status, code.to_owned()),
            "{value:?}"
        );
    }
}

#[tokio::test]
async fn a_token_can_lose_its_right_and_get_it_back_while_the_org_runs() {
    let sim = Fixture::start().await;
    let cases = [
        (TokenState::Revoked, 401, "E0000011"),
        (TokenState::OwnerDeactivated, 401, "E0000011"),
        (TokenState::NoRole, 403, "E0000006"),
        (TokenState::OutsideZone, 403, "E0000006"),
        (TokenState::Valid, 200, ""),
    ];

    for (state, status, code) in cases {
        sim.org().set_token(TOKEN, state).unwrap();
        assert_eq!(
            ask(&sim, Some("SSWS 00canary-token")).await,
            (status, code.to_owned()),
            "{state:?}"
        );
    }
    assert!(sim.org().set_token("00nobody", TokenState::Valid).is_err());
}

#[tokio::test]
async fn a_replaced_token_is_refused_and_the_new_one_admitted() {
    let sim = Fixture::start().await;

    sim.org().replace_token(TOKEN, "00new").unwrap();

    assert_eq!(ask(&sim, Some("SSWS 00canary-token")).await.0, 401);
    assert_eq!(ask(&sim, Some("SSWS 00new")).await.0, 200);
}

#[tokio::test]
async fn a_token_dies_after_30_days_without_use_and_every_use_renews_it() {
    let sim = Fixture::start().await;
    let days = |days: u64| Duration::from_hours(24 * days);
    for _ in 0..3 {
        sim.org().clock().advance(days(29));
        assert_eq!(ask(&sim, Some("SSWS 00canary-token")).await.0, 200);
    }

    sim.org().clock().advance(days(30));

    assert_eq!(
        ask(&sim, Some("SSWS 00canary-token")).await,
        (401, "E0000011".to_owned())
    );
}

#[tokio::test]
async fn a_token_revokes_itself() {
    let sim = Fixture::start().await;
    let current = || {
        let request = sim.client.delete(sim.url("/api/v1/api-tokens/current"));
        request.header("authorization", "SSWS 00canary-token")
    };

    let answer = Answer::of(current().send().await.unwrap()).await;

    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(
        ask(&sim, Some("SSWS 00canary-token")).await,
        (401, "E0000011".to_owned())
    );
    let again = Answer::of(current().send().await.unwrap()).await;
    assert_eq!(again.status, 401);
}

#[tokio::test]
async fn an_org_shows_its_tokens_and_when_they_die() {
    let sim = Fixture::start().await;
    sim.org().add_token("00second");
    let id = sim.org().token_id(TOKEN).unwrap();

    let all = sim.get("/api/v1/api-tokens").await;
    assert_eq!(all.json().as_array().unwrap().len(), 2);
    assert!(!all.text().contains(TOKEN));

    sim.org().clock().advance(Duration::from_hours(24 * 3));
    let one = sim.get(&format!("/api/v1/api-tokens/{id}")).await.json();
    assert_eq!(
        (&one["id"], &one["tokenWindow"]),
        (&id.into(), &"P30D".into())
    );
    let expires: chrono::DateTime<chrono::Utc> =
        one["expiresAt"].as_str().unwrap().parse().unwrap();
    let left = expires - sim.org().clock().now();
    assert!((29..=30).contains(&left.num_days()), "{left}");

    // There is no such thing as showing oneself.
    let none = sim.get("/api/v1/api-tokens/current").await;
    assert_eq!((none.status, none.code().as_str()), (404, "E0000007"));
}
