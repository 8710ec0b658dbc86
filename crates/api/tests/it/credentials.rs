//! Credentials over HTTP.

use serde_json::{Value, json};

use crate::support::{TestApi, credential, field};

#[tokio::test]
async fn a_credential_is_made_read_changed_and_deleted() {
    let api = TestApi::start().await;
    let body = json!({"name": "Prod", "domain": "https://acme-admin.okta.com/admin", "token": "SSWS 00abc"});
    let made = api.post("/v1/credentials", body).await;
    let view = made.expect(201);
    let path = format!("/v1/credentials/{}", made.id());
    assert_eq!(made.header("location"), path);
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(view["domain"], "https://acme.okta.com");
    assert_eq!(
        (&view["kind"], &view["state"]),
        (&json!("ssws"), &json!("unverified"))
    );
    assert_eq!(view["code"], Value::Null);
    assert_eq!(api.get(&path).await.expect(200), view);

    let changed = api
        .patch(&path, json!({"name": "Production"}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["version"]),
        (&json!("Production"), &json!(2))
    );
    assert_eq!(changed["fingerprint"], view["fingerprint"]);
    let rotated = api
        .patch(&path, json!({"token": "00other"}))
        .await
        .expect(200);
    assert_ne!(rotated["fingerprint"], view["fingerprint"]);

    assert_eq!(api.delete(&path).await.expect(204), Value::Null);
    api.get(&path).await.problem(404, "not_found");
    api.delete(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let api = TestApi::start().await;
    api.credential("one").await;
    let other = api.credential("other").await;
    api.post("/v1/credentials", credential("one"))
        .await
        .problem(409, "name_taken");
    let path = format!("/v1/credentials/{other}");
    api.patch(&path, json!({"name": "one"}))
        .await
        .problem(409, "name_taken");
}

#[tokio::test]
async fn a_credential_that_a_source_uses_stays() {
    let api = TestApi::start().await;
    let id = api.credential("one").await;
    let source = api
        .post("/v1/sources", json!({"credential_id": id}))
        .await
        .id();
    let path = format!("/v1/credentials/{id}");
    let problem = api.delete(&path).await.problem(409, "credential_in_use");
    assert!(
        problem["detail"].as_str().unwrap().contains("1 source"),
        "{problem}"
    );
    api.delete(&format!("/v1/sources/{source}"))
        .await
        .expect(204);
    api.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_refused_credential_says_why_and_what_to_do() {
    let api = TestApi::start().await;
    let id = api.credential("one").await;
    api.sql(
        "UPDATE credentials SET state = 'rejected', trouble = 'token_refused', trouble_detail = 'E0000011'",
    )
    .await;
    let view = api.get(&format!("/v1/credentials/{id}")).await.expect(200);
    assert_eq!(view["state"], "rejected");
    assert_eq!(
        (&view["code"], &view["detail"]),
        (&json!("token_refused"), &json!("E0000011"))
    );
    assert!(
        view["next_step"]
            .as_str()
            .unwrap()
            .contains("new API token"),
        "{view}"
    );
}

#[tokio::test]
async fn a_new_domain_needs_the_token_again() {
    let api = TestApi::start().await;
    let path = format!("/v1/credentials/{}", api.credential("one").await);
    let moved = api
        .patch(&path, json!({"domain": "evil.example.com"}))
        .await;
    assert_eq!(moved.field_errors(), [field("/token", "required")]);
    api.patch(&path, json!({"domain": "https://acme.okta.com/"}))
        .await
        .expect(200);
    let body = json!({"domain": "other.okta.com", "token": "00new"});
    assert_eq!(
        api.patch(&path, body).await.expect(200)["domain"],
        "https://other.okta.com"
    );
}

#[tokio::test]
async fn http_is_for_hosts_that_the_operator_allows() {
    let api = TestApi::start().await;
    let body = |domain: &str| json!({"name": domain, "domain": domain, "token": "00abc"});
    let allowed = api
        .post("/v1/credentials", body("http://127.0.0.1:8080"))
        .await
        .expect(201);
    assert_eq!(allowed["domain"], "http://127.0.0.1:8080");
    let refused = api
        .post("/v1/credentials", body("http://acme.okta.com"))
        .await;
    assert_eq!(refused.field_errors(), [field("/domain", "invalid_domain")]);
}

#[tokio::test]
async fn a_new_token_waits_beside_one_that_works() {
    let api = TestApi::start().await;
    let path = format!("/v1/credentials/{}", api.credential("one").await);
    let new = api.get(&path).await.expect(200);
    assert_eq!(
        (&new["rotation"], &new["expires_at"]),
        (&Value::Null, &Value::Null)
    );
    api.sql(
        "UPDATE credentials SET state = 'valid', org_id = '00o1', last_used_at = collector_now(), \
            expires_at = collector_now() + interval '720 hours'",
    )
    .await;
    let before = api.get(&path).await.expect(200);
    assert_eq!(
        (&before["reason"], &before["next_step"]),
        (&Value::Null, &Value::Null)
    );

    let now = api
        .patch(&path, json!({"token": "00the-next-one"}))
        .await
        .expect(200);
    assert_eq!(now["fingerprint"], before["fingerprint"]);
    assert_eq!(now["version"], 2);
    assert_eq!(now["rotation"]["state"], "testing");
    assert_eq!(now["rotation"]["domain"], "https://acme.okta.com");

    api.sql(
        "UPDATE credential_rotations SET state = 'refused', trouble = 'token_refused', detail = 'E0000011', \
            seal_kek = NULL, seal_dek = NULL, seal_body = NULL",
    )
    .await;
    let list = api.get("/v1/credentials").await.expect(200);
    let rotation = &list["items"][0]["rotation"];
    assert_eq!(
        (&rotation["state"], &rotation["code"], &rotation["detail"]),
        (
            &json!("refused"),
            &json!("token_refused"),
            &json!("E0000011")
        )
    );
    assert!(
        rotation["next_step"]
            .as_str()
            .unwrap()
            .contains("API token")
    );
}

#[tokio::test]
async fn a_domain_that_is_known_to_be_another_org_is_refused() {
    let api = TestApi::start().await;
    let ours = api.credential("one").await;
    let source = json!({"credential_id": ours});
    api.post("/v1/sources", source).await.expect(201);
    let theirs = json!({"name": "theirs", "domain": "other.okta.com", "token": "00x"});
    api.post("/v1/credentials", theirs).await.expect(201);
    api.sql("UPDATE credentials SET org_id = '00o' || name; UPDATE sources SET org_id = '00oone'")
        .await;
    let body = json!({"domain": "other.okta.com", "token": "00y"});
    api.patch(&format!("/v1/credentials/{ours}"), body)
        .await
        .problem(409, "foreign_org");
}

#[tokio::test]
async fn each_state_says_what_it_means() {
    let api = TestApi::start().await;
    let path = format!("/v1/credentials/{}", api.credential("one").await);
    for (set, word) in [
        ("state = 'unverified'", "tried"),
        ("state = 'expiring'", "30 days"),
        ("state = 'expired', trouble = 'token_expired'", "30 days"),
        (
            "state = 'rejected', trouble = 'token_revoked'",
            "deactivated",
        ),
    ] {
        api.sql(&format!("UPDATE credentials SET {set}")).await;
        let view = api.get(&path).await.expect(200);
        assert!(view["reason"].as_str().unwrap().contains(word), "{view}");
        assert!(!view["next_step"].as_str().unwrap().is_empty(), "{view}");
    }
}
