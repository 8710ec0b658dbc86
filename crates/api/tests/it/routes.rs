//! Routes over HTTP.

use serde_json::{Value, json};

use crate::support::{TestApi, field};

#[tokio::test]
async fn a_route_is_made_read_changed_and_deleted() {
    let api = TestApi::start().await;
    let (source, destination) = (api.source("one").await, api.destination("one").await);
    let body = json!({"source_id": source, "destination_id": destination, "format": "raw", "start_from": "now"});
    let made = api.post("/v1/routes", body.clone()).await;
    let view = made.expect(201);
    let path = format!("/v1/routes/{}", made.id());
    assert_eq!(made.header("location"), path);
    assert_eq!(
        (&view["source_id"], &view["destination_id"]),
        (&json!(source), &json!(destination))
    );
    assert_eq!(
        (&view["format"], &view["enabled"]),
        (&json!("raw"), &json!(true))
    );
    assert_eq!(api.get(&path).await.expect(200), view);
    api.post("/v1/routes", body)
        .await
        .problem(409, "route_exists");

    let paused = api
        .patch(&path, json!({"enabled": false}))
        .await
        .expect(200);
    assert_eq!(
        (&paused["enabled"], &paused["version"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(
        api.act(&format!("{path}/resume")).await.expect(200)["enabled"],
        true
    );
    assert_eq!(
        api.act(&format!("{path}/pause")).await.expect(200)["enabled"],
        false
    );

    assert_eq!(api.delete(&path).await.expect(204), Value::Null);
    api.get(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn both_ends_must_exist() {
    let api = TestApi::start().await;
    let (source, destination) = (api.source("one").await, api.destination("one").await);
    let nobody = "00000000-0000-7000-8000-00000000dead";
    let errors = async |body: Value| api.post("/v1/routes", body).await.field_errors();
    assert_eq!(
        errors(json!({"source_id": nobody, "destination_id": destination})).await,
        [field("/source_id", "unknown_source")]
    );
    assert_eq!(
        errors(json!({"source_id": source, "destination_id": nobody})).await,
        [field("/destination_id", "unknown_destination")]
    );
    assert_eq!(
        errors(
            json!({"source_id": 7, "destination_id": "x", "format": "xml", "start_from": "then"})
        )
        .await,
        [
            field("/source_id", "wrong_type"),
            field("/destination_id", "invalid_id"),
            field("/format", "unknown_format"),
            field("/start_from", "unknown_start"),
        ]
    );
}

#[tokio::test]
async fn a_route_begins_with_the_oldest_event_or_the_next() {
    let api = TestApi::start().await;
    let source = api.source("one").await;
    api.store_events(&source, 3).await;
    for (name, start, pending) in [("old", json!("oldest"), 3), ("new", json!("now"), 0)] {
        let destination = api.destination(name).await;
        let body = json!({"source_id": source, "destination_id": destination, "start_from": start});
        let route = api.post("/v1/routes", body).await.id();
        let status = api
            .get(&format!("/v1/sources/{source}/status"))
            .await
            .expect(200);
        let routes = status["delivery"]["routes"].as_array().unwrap();
        let health = routes
            .iter()
            .find(|health| health["route_id"] == json!(route))
            .unwrap();
        assert_eq!(health["pending_events"], pending, "{name}");
    }
}

#[tokio::test]
async fn dead_letters_are_shown_as_they_came() {
    let api = TestApi::start().await;
    let (_, _, route) = api.route("one").await;
    let other = api.route("other").await.2;
    api.sql(&format!(
        "INSERT INTO dead_letters (tenant_id, route_id, log_id, number, index, cause, detail, event, hour) \
         SELECT tenant_id, '{route}', gen_random_uuid(), 4, n, 'too_large', 'the event is too large', e, '2026-01-01T00:00Z' \
         FROM routes, (VALUES (0, '\\x7b2022c3a9223a317d'::bytea), (1, '\\x22ff22'::bytea)) AS v(n, e) WHERE id = '{route}'"
    ))
    .await;
    let page = api
        .get(&format!("/v1/routes/{route}/dead-letters"))
        .await
        .expect(200);
    let [text, bytes] = page["items"].as_array().unwrap().as_slice() else {
        panic!("{page}");
    };
    assert_eq!(
        (&text["event"], &text["event_base64"]),
        (&json!("{ \"é\":1}"), &Value::Null)
    );
    assert_eq!(
        (&bytes["event"], &bytes["event_base64"]),
        (&Value::Null, &json!("Iv8i"))
    );
    assert_eq!(
        (&bytes["batch_number"], &bytes["batch_index"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(
        (&text["cause"], &text["route_id"]),
        (&json!("too_large"), &json!(route))
    );
    let none = api
        .get(&format!("/v1/routes/{other}/dead-letters"))
        .await
        .expect(200);
    assert_eq!(none["items"], json!([]));
}
