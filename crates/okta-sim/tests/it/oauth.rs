//! Service apps: assertions, access tokens, scopes and roles.

use std::time::Duration;

use okta_sim::{Algorithm, App, KeyPair};
use serde_json::json;

use crate::service::{CLIENT, Service};
use crate::support::Answer;

fn error(answer: &Answer) -> (u16, String) {
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    (answer.status, error)
}

fn description(answer: &Answer) -> String {
    let body = answer.json();
    body["error_description"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_assertion_of_every_algorithm_gets_a_token_that_reads_the_log() {
    for algorithm in Algorithm::ALL {
        let service = Service::with(algorithm, false).await;

        let answer = service.ask(&service.form(), None).await;

        assert_eq!(answer.status, 200, "{algorithm}: {answer:?}");
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 3600);
        assert_eq!(body["scope"], "okta.logs.read");
        assert_eq!(answer.number("x-rate-limit-limit"), 150);
        let token = body["access_token"].as_str().unwrap();
        let read = service.read(&format!("Bearer {token}"), None).await;
        assert_eq!(read.status, 200, "{algorithm}: {read:?}");
    }
}

#[tokio::test]
async fn an_assertion_that_is_not_right_is_refused_with_the_cause() {
    let service = Service::start(false).await;
    let now = service.now();
    let cases = [
        ("iss", json!("0oaother"), "The issuer claim"),
        ("sub", json!("0oaother"), "The subject claim"),
        ("aud", json!(service.sim.url("")), "The audience claim"),
        (
            "aud",
            json!(service.sim.url("//oauth2/v1/token")),
            "The audience claim",
        ),
        ("exp", json!(null), "The client_assertion must contain"),
        (
            "exp",
            json!(now - 1),
            "The client_assertion token is expired",
        ),
        (
            "exp",
            json!(now + 3700),
            "The client_assertion token has an expiration too far",
        ),
        (
            "iat",
            json!(now + 120),
            "The client_assertion token must be issued before",
        ),
    ];
    for (claim, value, text) in cases {
        let mut claims = service.claims();
        claims[claim] = value.clone();
        let answer = service
            .ask(&Service::form_of(service.assertion(&claims)), None)
            .await;
        assert_eq!(
            error(&answer),
            (401, "invalid_client".to_owned()),
            "{claim}"
        );
        assert!(
            description(&answer).starts_with(text),
            "{claim} {value}: {answer:?}"
        );
    }

    let stranger = KeyPair::generate(Algorithm::Es256).unwrap();
    let kid = json!({"kid": service.key.kid()});
    let cases = [
        ("garbage".to_owned(), "The parsing"),
        (
            stranger.sign(&kid, &service.claims()),
            "The client_assertion signature is invalid",
        ),
        (
            stranger.sign(&json!({"kid": "other"}), &service.claims()),
            "The client_assertion JWT kid is invalid",
        ),
    ];
    for (assertion, text) in cases {
        let answer = service.ask(&Service::form_of(assertion), None).await;
        assert_eq!(error(&answer), (401, "invalid_client".to_owned()));
        assert!(description(&answer).starts_with(text), "{answer:?}");
    }
}

#[tokio::test]
async fn an_hour_and_a_moment_is_the_longest_an_assertion_may_live() {
    let service = Service::start(false).await;
    for (life, status) in [(3600, 200), (3603, 200), (3620, 401)] {
        let mut claims = service.claims();
        claims["exp"] = (service.now() + life).into();
        let form = Service::form_of(service.assertion(&claims));
        assert_eq!(service.ask(&form, None).await.status, status, "{life}");
    }
}

#[tokio::test]
async fn an_assertion_works_once() {
    let service = Service::start(false).await;
    let form = service.form();
    assert_eq!(service.ask(&form, None).await.status, 200);

    let again = service.ask(&form, None).await;

    assert_eq!(error(&again), (401, "invalid_client".to_owned()));
    assert_eq!(
        description(&again),
        "The client_assertion token has already been used."
    );
}

#[tokio::test]
async fn a_form_that_is_not_right_is_refused_with_the_cause() {
    let service = Service::start(false).await;
    let with = |name: &'static str, value: &str| {
        let mut form = service.form();
        form.retain(|(key, _)| *key != name);
        form.push((name, value.to_owned()));
        form
    };
    let cases = [
        (with("grant_type", ""), 400, "invalid_request"),
        (
            with("grant_type", "password"),
            400,
            "unsupported_grant_type",
        ),
        (with("client_assertion", ""), 401, "invalid_client"),
        (with("client_assertion_type", "x"), 400, "invalid_request"),
        (with("scope", ""), 400, "invalid_scope"),
        (with("scope", "openid"), 400, "invalid_scope"),
        (with("scope", "okta.users.read"), 400, "consent_required"),
    ];
    for (form, status, code) in cases {
        let answer = service.ask(&form, None).await;
        assert_eq!(error(&answer), (status, code.to_owned()), "{form:?}");
    }
    let url = service.endpoint();
    let json = service
        .sim
        .client
        .post(&url)
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(Answer::of(json).await.code(), "E0000021");
    let get = service.sim.client.get(&url).send().await.unwrap();
    assert_eq!(Answer::of(get).await.code(), "E0000022");
}

#[tokio::test]
async fn a_missing_scope_is_403_without_a_body_and_a_missing_role_is_e0000006() {
    let service = Service::start(false).await;
    let app = App::new(CLIENT, &service.key);
    service.sim.org().add_app(App {
        scopes: vec!["okta.users.read".to_owned()],
        ..app.clone()
    });
    let mut form = service.form();
    form.retain(|(name, _)| *name != "scope");
    form.push(("scope", "okta.users.read okta.logs.read".to_owned()));
    let granted = service.ask(&form, None).await.json();
    assert_eq!(granted["scope"], "okta.users.read");

    let token = granted["access_token"].as_str().unwrap().to_owned();
    let answer = service.read(&format!("Bearer {token}"), None).await;

    assert_eq!((answer.status, answer.body.len()), (403, 0));
    assert_eq!(answer.header("content-type"), None);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer authorization_uri=\"http://127.0.0.1:"),
        "{challenge}"
    );
    for part in [
        "scope=\"okta.logs.read\", error=\"insufficient_scope\"",
        "resource=\"/api/v1/logs\"",
    ] {
        assert!(challenge.contains(part), "{challenge}");
    }

    service.sim.org().add_app(App { role: false, ..app });
    let token = service.token().await;
    let answer = service.read(&format!("Bearer {token}"), None).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "E0000006"));
}

#[tokio::test]
async fn a_token_that_is_garbage_expired_or_of_a_removed_app_is_401_without_a_body() {
    let service = Service::start(false).await;
    let token = service.token().await;
    let refused = async |authorization: String| {
        let answer = service.read(&authorization, None).await;
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("error=\"invalid_token\""), "{answer:?}");
        assert_eq!((answer.status, answer.body.len()), (401, 0));
    };

    refused("Bearer garbage".to_owned()).await;
    assert_eq!(
        service.read(&format!("SSWS {token}"), None).await.code(),
        "E0000011"
    );
    service.sim.org().clock().advance(Duration::from_secs(3599));
    assert_eq!(
        service.read(&format!("Bearer {token}"), None).await.status,
        200
    );
    service.sim.org().clock().advance(Duration::from_secs(2));
    refused(format!("Bearer {token}")).await;

    let token = service.token().await;
    assert!(service.sim.org().remove_app(CLIENT));
    assert!(!service.sim.org().remove_app(CLIENT));
    refused(format!("Bearer {token}")).await;
    let answer = service.ask(&service.form(), None).await;
    assert_eq!(error(&answer), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn an_app_outside_its_zones_gets_no_token() {
    let service = Service::start(false).await;
    service.sim.org().add_app(App {
        outside_zone: true,
        ..App::new(CLIENT, &service.key)
    });

    let answer = service.ask(&service.form(), None).await;

    assert_eq!(error(&answer), (403, "access_denied".to_owned()));
}

#[tokio::test]
async fn nothing_of_an_assertion_or_a_token_stands_in_the_record() {
    let service = Service::start(false).await;
    let form = service.form();
    let token = service.ask(&form, None).await.json()["access_token"].clone();
    let token = token.as_str().unwrap();
    service.read(&format!("Bearer {token}"), None).await;

    let record = format!("{:?}", service.sim.org().requests());

    for secret in [token, form.last().unwrap().1.as_str()] {
        assert!(!record.contains(secret), "{record}");
    }
}
