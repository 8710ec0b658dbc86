//! What belongs to one tenant does not exist for another.

use serde_json::{Value, json};

use crate::support::TestApi;

/// Walks the document: every operation with an id is asked by another tenant for things that exist.
#[tokio::test]
async fn things_of_another_tenant_are_not_there() {
    let api = TestApi::start().await;
    let (source, destination, route) = api.route("one").await;
    let credential = api.get("/v1/credentials").await.expect(200)["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let range = json!({"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"});
    let backfill = api
        .post(&format!("/v1/sources/{source}/backfills"), range)
        .await;
    let backfill = backfill.expect(202)["id"].as_str().unwrap().to_owned();
    let other = api.other_tenant().await;
    let document = api.get("/openapi.json").await.expect(200);
    let mut count = 0;
    for (pattern, item) in document["paths"].as_object().unwrap() {
        if !pattern.contains('{') {
            continue;
        }
        let path = pattern
            .replace("{source_id}", &source)
            .replace("{destination_id}", &destination)
            .replace("{route_id}", &route)
            .replace("{backfill_id}", &backfill)
            .replace("{credential_id}", &credential);
        assert!(!path.contains('{'), "{path}");
        for method in item.as_object().unwrap().keys() {
            let answer = api
                .send(&method.to_uppercase(), &path, &other, Some(&json!({})))
                .await;
            answer.problem(404, "not_found");
            count += 1;
        }
    }
    assert!(count >= 20, "only {count}");
    for path in [
        format!("/v1/sources/{source}"),
        format!("/v1/destinations/{destination}"),
        format!("/v1/routes/{route}"),
        format!("/v1/credentials/{credential}"),
    ] {
        assert_eq!(
            api.get(&path).await.expect(200)["version"],
            1,
            "{path} is untouched"
        );
    }
}

#[tokio::test]
async fn lists_hold_ones_own_things_only() {
    let api = TestApi::start().await;
    let (source, _, _) = api.route("one").await;
    let other = api.other_tenant().await;
    let list =
        async |path: &str| api.send("GET", path, &other, None).await.expect(200)["items"].clone();
    for path in [
        "/v1/credentials",
        "/v1/sources",
        "/v1/destinations",
        "/v1/routes",
        "/v1/jobs",
    ] {
        assert_eq!(list(path).await, json!([]), "{path}");
    }
    assert_eq!(
        list(&format!("/v1/routes?source_id={source}")).await,
        json!([])
    );
    assert_eq!(list("/v1/api-keys").await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn things_of_another_tenant_cannot_be_referred_to() {
    let api = TestApi::start().await;
    let (source, destination, _) = api.route("one").await;
    let credential = api.credential("two").await;
    let other = api.other_tenant().await;
    let post = async |path: &str, body: Value| api.send("POST", path, &other, Some(&body)).await;
    let own = post("/v1/credentials", crate::support::credential("own"))
        .await
        .id();
    let refused = post("/v1/sources", json!({"credential_id": credential})).await;
    assert_eq!(refused.field_errors()[0].1, "unknown_credential");
    let refused = post(
        "/v1/sources",
        json!({"credential_id": own, "destination_ids": [destination]}),
    )
    .await;
    assert_eq!(refused.field_errors()[0].1, "unknown_destination");
    let refused = post(
        "/v1/routes",
        json!({"source_id": source, "destination_id": destination}),
    )
    .await;
    assert_eq!(refused.field_errors()[0].1, "unknown_source");
    let theirs = post("/v1/sources", json!({"credential_id": own}))
        .await
        .id();
    let body = json!({"credential_id": credential});
    let refused = api
        .send(
            "PATCH",
            &format!("/v1/sources/{theirs}"),
            &other,
            Some(&body),
        )
        .await;
    assert_eq!(refused.field_errors()[0].1, "unknown_credential");
    post("/v1/destinations", crate::support::destination("one"))
        .await
        .expect(201);
}
