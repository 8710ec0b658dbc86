//! Destinations over HTTP.

use serde_json::{Value, json};

use crate::support::{TestApi, destination, field};

#[tokio::test]
async fn a_destination_is_made_read_changed_and_deleted() {
    let api = TestApi::start().await;
    let made = api.post("/v1/destinations", destination("archive")).await;
    let view = made.expect(201);
    let path = format!("/v1/destinations/{}", made.id());
    assert_eq!(
        (made.header("location"), made.header("etag")),
        (path.as_str(), "\"1\"")
    );
    assert_eq!(
        (&view["kind"], &view["proof"]),
        (&json!("file"), &json!("stored"))
    );
    assert_eq!(view["file"], json!({"path": "archive.ndjson"}));
    assert_eq!(api.get(&path).await.expect(200), view);

    let changed = api
        .patch(&path, json!({"file": {"path": "a/b.ndjson"}}))
        .await
        .expect(200);
    assert_eq!(changed["file"]["path"], "a/b.ndjson");
    assert_eq!(
        (&changed["name"], &changed["version"]),
        (&json!("archive"), &json!(2))
    );
    let changed = api
        .patch(&path, json!({"name": "Archive", "file": {}}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["file"]),
        (&json!("Archive"), &json!({"path": "a/b.ndjson"}))
    );

    assert_eq!(api.delete(&path).await.expect(204), Value::Null);
    api.get(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn settings_are_judged_by_their_kind() {
    let api = TestApi::start().await;
    let errors = async |body: Value| api.post("/v1/destinations", body).await.field_errors();
    assert_eq!(
        errors(json!({"name": "x", "kind": "file", "file": {"path": "../x", "mode": 1}})).await,
        [
            field("/file/mode", "unknown_field"),
            field("/file/path", "invalid_path")
        ]
    );
    assert_eq!(
        errors(json!({"name": "x", "kind": "file"})).await,
        [field("/file", "required")]
    );
    assert_eq!(
        errors(json!({"name": "x", "kind": "pigeon", "file": {"path": "x"}})).await,
        [field("/kind", "unknown_kind")]
    );
    assert_eq!(
        errors(json!({"name": "x", "kind": "file", "file": "x"})).await,
        [field("/file", "wrong_type")]
    );

    let path = format!("/v1/destinations/{}", api.destination("one").await);
    let taken_away = api.patch(&path, json!({"file": {"path": null}})).await;
    assert_eq!(taken_away.field_errors(), [field("/file/path", "required")]);
    let other_kind = api.patch(&path, json!({"kind": "file"})).await;
    assert_eq!(other_kind.field_errors(), [field("/kind", "unknown_field")]);
}

#[tokio::test]
async fn a_destination_that_a_route_uses_stays() {
    let api = TestApi::start().await;
    let (_, destination, route) = api.route("one").await;
    let path = format!("/v1/destinations/{destination}");
    api.delete(&path).await.problem(409, "destination_in_use");
    api.delete(&format!("/v1/routes/{route}")).await.expect(204);
    api.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let api = TestApi::start().await;
    api.destination("one").await;
    api.post("/v1/destinations", destination("one"))
        .await
        .problem(409, "name_taken");
}
