//! API keys: who gets in, and how far.

use serde_json::{Value, json};

use crate::support::{Answer, TestApi};

const WRONG: &str = "the API key is unknown, revoked or expired";

#[tokio::test]
async fn without_a_live_key_nothing_is_answered() {
    let api = TestApi::start().await;
    let key = api.key("admin").await;
    let (head, sum) = key.split_at(key.len() - 6);
    let swapped: String = sum.chars().rev().collect();
    let unknown = api::keys::ApiKey::generate().unwrap();
    let unknown = secrecy::ExposeSecret::expose_secret(unknown.whole()).to_owned();
    for (header, part) in [
        (None, "Authorization is missing"),
        (Some(String::new()), "must be Bearer"),
        (Some(format!("Basic {key}")), "must be Bearer"),
        (Some(key.clone()), "must be Bearer"),
        (Some("Bearer nonsense".to_owned()), "looks like okc_"),
        (Some(format!("Bearer {head}{swapped}")), "checksum"),
        (Some(format!("Bearer {unknown}")), WRONG),
    ] {
        let mut request = api.client.get(format!("{}/v1/sources", api.address));
        if let Some(header) = &header {
            request = request.header("authorization", header);
        }
        let answer = Answer::read(request.send().await.unwrap()).await;
        let problem = answer.problem(401, "unauthorized");
        assert!(
            problem["detail"].as_str().unwrap().contains(part),
            "{header:?}: {problem}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    api.send("GET", "/v1/sources", &key, None).await.expect(200);
    let request = api.client.get(format!("{}/v1/sources", api.address));
    let request = request.header("authorization", format!("bearer  {key} "));
    Answer::read(request.send().await.unwrap())
        .await
        .expect(200);
}

#[tokio::test]
async fn a_revoked_and_an_expired_key_are_refused() {
    let api = TestApi::start().await;
    for (name, sql) in [
        ("revoked", "revoked_at = collector_now()"),
        ("expired", "expires_at = collector_now() - interval '1 s'"),
    ] {
        let key = api.key("viewer").await;
        api.send("GET", "/v1/sources", &key, None).await.expect(200);
        let public = key.split('_').nth(1).unwrap();
        api.sql(&format!(
            "UPDATE api_keys SET {sql} WHERE public_id = '{public}'"
        ))
        .await;
        let problem = api
            .send("GET", "/v1/sources", &key, None)
            .await
            .problem(401, "unauthorized");
        assert_eq!(problem["detail"], WRONG, "{name}");
    }
}

/// Walks the document with each role: reading is for all, writing for operators, secrets for admins.
#[tokio::test]
async fn each_role_may_do_its_own_and_nothing_else() {
    let api = TestApi::start().await;
    let document = api.get("/openapi.json").await.expect(200);
    let keys = [
        ("viewer", api.key("viewer").await),
        ("operator", api.key("operator").await),
    ];
    let nobody = "00000000-0000-7000-8000-00000000dead";
    for (pattern, item) in document["paths"].as_object().unwrap() {
        if !pattern.starts_with("/v1/") {
            continue;
        }
        for method in item.as_object().unwrap().keys() {
            let parts = pattern
                .split('/')
                .map(|part| if part.starts_with('{') { nobody } else { part });
            let path = parts.collect::<Vec<_>>().join("/");
            let tested = pattern.ends_with("/test");
            let secret = pattern.starts_with("/v1/credentials/") && method != "get" && !tested
                || pattern == "/v1/credentials" && method != "get"
                || pattern.starts_with("/v1/api-keys");
            for (role, key) in &keys {
                let answer = api
                    .send(&method.to_uppercase(), &path, key, Some(&json!({})))
                    .await;
                let allowed = !secret && (*role == "operator" || method == "get");
                assert_eq!(
                    answer.status != 403,
                    allowed,
                    "{role}: {method} {path}: {}",
                    answer.text
                );
                if !allowed {
                    answer.problem(403, "forbidden");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_credential_inside_a_source_is_for_admins() {
    let api = TestApi::start().await;
    let operator = api.key("operator").await;
    let body = json!({"credential": crate::support::credential("one")});
    let refused = api
        .send("POST", "/v1/sources", &operator, Some(&body))
        .await;
    refused.problem(403, "forbidden");
    let id = api.credential("one").await;
    let body = json!({"credential_id": id});
    api.send("POST", "/v1/sources", &operator, Some(&body))
        .await
        .expect(201);
}

#[tokio::test]
async fn the_list_tells_what_keys_are_for_and_not_what_they_are() {
    let api = TestApi::start().await;
    let key = api.key("viewer").await;
    let answer = api.get("/v1/api-keys").await;
    let list = answer.expect(200);
    let public = key.split('_').nth(1).unwrap();
    let shown = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|shown| shown["public_id"] == public)
        .unwrap()
        .clone();
    assert_eq!(
        (&shown["role"], &shown["name"]),
        (&json!("viewer"), &json!("test viewer"))
    );
    assert_eq!(
        (&shown["revoked_at"], &shown["last_used_at"]),
        (&Value::Null, &Value::Null)
    );
    assert!(!answer.text.contains(key.split('_').nth(2).unwrap()));
    assert!(!answer.text.contains("sha256"));
    let first = api.get("/v1/api-keys?limit=1").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = api
        .get(&format!("/v1/api-keys?limit=1&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(second["items"], json!([shown]));
    assert_eq!(second["next_cursor"], Value::Null);
}
