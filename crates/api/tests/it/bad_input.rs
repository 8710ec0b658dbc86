//! Bad input gets precise answers: what is wrong, where, and what would be right.

use serde_json::{Value, json};

use crate::support::{TestApi, credential, field};

async fn errors(api: &TestApi, body: Value) -> Vec<(String, String)> {
    api.post("/v1/sources", body).await.field_errors()
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let api = TestApi::start().await;
    let body = json!({
        "credential": credential("one"), "refreshFrequency": "1h", "refresh_frequency": "0s", "timezone": "Mars/Olympus",
        "start": "yesterday", "display_name": 7, "destination_ids": ["x", 7],
    });
    let answer = api.post("/v1/sources", body).await;
    let mut found = answer.field_errors();
    found.sort();
    let mut expected = vec![
        field("/refreshFrequency", "unknown_field"),
        field("/refresh_frequency", "invalid_duration"),
        field("/timezone", "invalid_timezone"),
        field("/start", "invalid_start"),
        field("/display_name", "wrong_type"),
        field("/destination_ids/0", "invalid_id"),
        field("/destination_ids/1", "invalid_id"),
    ];
    expected.sort();
    assert_eq!(found, expected);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    for part in [
        "there is no field \"refreshFrequency\"; did you mean \"refresh_frequency\"?",
        "a refresh frequency is between \"10s\" and \"30d\", not \"0s\"",
        "\"Mars/Olympus\" is not an IANA timezone",
    ] {
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test]
async fn refresh_frequencies_have_bounds() {
    let api = TestApi::start().await;
    let id = api.credential("one").await;
    for wrong in [
        "0s",
        "9s",
        "31d",
        "-1h",
        "1.5h",
        "often",
        "99999999999999999999d",
    ] {
        let body = json!({"credential_id": id, "refresh_frequency": wrong});
        assert_eq!(
            errors(&api, body).await,
            [field("/refresh_frequency", "invalid_duration")],
            "{wrong}"
        );
    }
    for wrong in [json!(3600), json!(null), json!(["1h"])] {
        let body = json!({"credential_id": id, "refresh_frequency": wrong});
        assert_eq!(
            errors(&api, body).await,
            [field("/refresh_frequency", "wrong_type")],
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn domains_and_tokens_are_looked_at() {
    let api = TestApi::start().await;
    for (name, value, code) in [
        ("domain", json!("{yourOktaDomain}"), "invalid_domain"),
        ("domain", json!("acme.okta.com.com"), "invalid_domain"),
        ("domain", json!("ftp://acme.okta.com"), "invalid_domain"),
        ("domain", json!(""), "empty"),
        ("domain", json!("a".repeat(300)), "too_long"),
        ("token", json!("abc\r\nX-Evil: yes"), "invalid_token"),
        ("token", json!("   "), "empty"),
        ("token", json!("x".repeat(513)), "too_long"),
        ("name", json!("a\u{0}b"), "control_character"),
        ("name", json!("x".repeat(201)), "too_long"),
    ] {
        let mut body = credential("one");
        body[name] = value;
        let answer = api.post("/v1/credentials", body).await;
        assert_eq!(answer.field_errors(), [field(&format!("/{name}"), code)]);
    }
}

#[tokio::test]
async fn lists_in_bodies_have_rules_too() {
    let api = TestApi::start().await;
    let (id, destination) = (api.credential("one").await, api.destination("one").await);
    let body = |ids: Value| json!({"credential_id": id, "destination_ids": ids});
    assert_eq!(
        errors(&api, body(json!([destination, destination]))).await,
        [field("/destination_ids/1", "duplicate")]
    );
    let many: Vec<String> = (0..21)
        .map(|n| format!("00000000-0000-7000-8000-0000000000{n:02}"))
        .collect();
    assert_eq!(
        errors(&api, body(json!(many))).await,
        [field("/destination_ids", "too_many")]
    );
    assert_eq!(
        errors(&api, body(json!("x"))).await,
        [field("/destination_ids", "wrong_type")]
    );
}

#[tokio::test]
async fn query_parameters_are_known_or_refused() {
    let api = TestApi::start().await;
    for (path, code, parameter) in [
        ("/v1/sources?limti=5", "invalid_query", "limti"),
        ("/v1/sources?limit=0", "invalid_query", "limit"),
        ("/v1/sources?limit=201", "invalid_query", "limit"),
        ("/v1/sources?limit=x", "invalid_query", "limit"),
        ("/v1/sources?limit=1&limit=2", "invalid_query", "limit"),
        ("/v1/sources?cursor=x", "invalid_cursor", "cursor"),
        (
            "/v1/sources?cursor=MQpyb3V0ZXMKeA",
            "invalid_cursor",
            "cursor",
        ),
        ("/v1/routes?source_id=x", "invalid_query", "source_id"),
        ("/v1/jobs?cursor=MQpqb2JzCng", "invalid_cursor", "cursor"),
        ("/readyz?verbose=1", "invalid_query", "verbose"),
    ] {
        let problem = api.get(path).await.problem(400, code);
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{path}");
    }
    let source = api.source("one").await;
    api.delete(&format!("/v1/sources/{source}?discard=yes"))
        .await
        .problem(400, "invalid_query");
}

#[tokio::test]
async fn ids_in_paths_must_be_ids() {
    let api = TestApi::start().await;
    for path in [
        "/v1/sources/x",
        "/v1/sources/7/status",
        "/v1/routes/%00",
        "/v1/credentials/%E2%82%AC",
    ] {
        api.get(path).await.problem(400, "invalid_id");
    }
}
