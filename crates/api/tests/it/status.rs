//! The status of a source: both halves, from states that workers leave in the database.

use serde_json::{Value, json};

use crate::support::TestApi;

async fn status(api: &TestApi, source: &str) -> Value {
    api.get(&format!("/v1/sources/{source}/status"))
        .await
        .expect(200)
}

/// State, code and whether a reason and a next step are given.
fn told(half: &Value) -> (&str, Option<&str>, bool, bool) {
    (
        half["state"].as_str().unwrap(),
        half["code"].as_str(),
        half["reason"].is_string(),
        half["next_step"].is_string(),
    )
}

#[tokio::test]
async fn a_new_source_is_pending_and_needs_a_destination() {
    let api = TestApi::start().await;
    let source = api.source("one").await;
    let status = status(&api, &source).await;
    assert_eq!(
        (&status["source_id"], &status["running"]),
        (&json!(source), &json!(false))
    );
    assert_eq!(told(&status["polling"]), ("pending", None, true, true));
    assert_eq!(
        told(&status["delivery"]),
        ("action_needed", Some("no_destination"), true, true)
    );
    assert_eq!(status["delivery"]["routes"], json!([]));
    let polling = &status["polling"];
    assert_ne!(polling["next_poll_at"], Value::Null);
    for unknown in [
        "last_poll_at",
        "last_success_at",
        "last_event_at",
        "lag_seconds",
        "budget",
        "detail",
    ] {
        assert_eq!(polling[unknown], Value::Null, "{unknown}");
    }
}

#[tokio::test]
async fn the_check_mark_needs_both_halves() {
    let api = TestApi::start().await;
    let (source, destination, route) = api.route("one").await;
    api.sql(
        "UPDATE credentials SET state = 'valid'; \
         UPDATE logs SET last_poll_at = collector_now(), last_success_at = collector_now(), last_event_at = collector_now(), \
            newest_published = collector_now() - interval '90 s', stored = 26, fallbacks = 1; \
         INSERT INTO budgets (tenant_id, origin, fingerprint, left_over, ends_at, limit_seen) \
            SELECT tenant_id, origin, fingerprint, 55, collector_now() + interval '1 min', 60 FROM credentials",
    )
    .await;
    let good = status(&api, &source).await;
    assert_eq!(good["running"], true, "{good}");
    assert_eq!(told(&good["polling"]), ("running", None, false, false));
    assert_eq!(told(&good["delivery"]), ("running", None, false, false));
    assert_eq!(
        (
            &good["polling"]["stored_events"],
            &good["polling"]["fallbacks"]
        ),
        (&json!(26), &json!(1))
    );
    let lag = good["polling"]["lag_seconds"].as_i64().unwrap();
    assert!((90..120).contains(&lag), "{lag}");
    assert_eq!(
        (
            &good["polling"]["budget"]["left"],
            &good["polling"]["budget"]["limit"]
        ),
        (&json!(55), &json!(60))
    );
    let health = &good["delivery"]["routes"][0];
    assert_eq!(
        (&health["route_id"], &health["destination_id"]),
        (&json!(route), &json!(destination))
    );
    assert_eq!(
        (&health["destination_name"], &health["proof"]),
        (&json!("one"), &json!("stored"))
    );

    api.act(&format!("/v1/routes/{route}/pause"))
        .await
        .expect(200);
    let paused = status(&api, &source).await;
    assert_eq!(paused["running"], false);
    assert_eq!(told(&paused["delivery"]), ("paused", None, true, true));
    api.act(&format!("/v1/routes/{route}/resume"))
        .await
        .expect(200);
    assert_eq!(status(&api, &source).await["running"], true);

    api.act(&format!("/v1/sources/{source}/pause"))
        .await
        .expect(200);
    let paused = status(&api, &source).await;
    assert_eq!(
        (told(&paused["polling"]), &paused["running"]),
        (("paused", None, true, true), &json!(false))
    );
}

#[tokio::test]
async fn troubles_are_told_with_reason_next_step_and_detail() {
    let api = TestApi::start().await;
    let (source, _, _) = api.route("one").await;
    api.sql(
        "UPDATE credentials SET state = 'rejected', trouble = 'token_refused', trouble_detail = 'E0000011: Invalid token provided'; \
         UPDATE routes SET trouble = 'destination_unavailable', trouble_detail = 'no space left on device', trouble_at = collector_now()",
    )
    .await;
    api.store_events(&source, 5).await;
    let status = status(&api, &source).await;
    assert_eq!(
        told(&status["polling"]),
        ("action_needed", Some("token_refused"), true, true)
    );
    assert_eq!(
        status["polling"]["detail"],
        "E0000011: Invalid token provided"
    );
    assert_eq!(status["polling"]["credential_state"], "rejected");
    assert_eq!(
        told(&status["delivery"]),
        ("waiting", Some("destination_unavailable"), true, true)
    );
    let health = &status["delivery"]["routes"][0];
    assert_eq!(
        told(health),
        ("waiting", Some("destination_unavailable"), true, true)
    );
    assert_eq!(
        (&health["detail"], &health["pending_events"]),
        (&json!("no space left on device"), &json!(5))
    );
}

#[tokio::test]
async fn the_worst_route_speaks_for_delivery() {
    let api = TestApi::start().await;
    let (source, _, _) = api.route("one").await;
    let body = json!({"source_id": source, "destination_id": api.destination("two").await});
    let bad = api.post("/v1/routes", body).await.id();
    api.sql(&format!("UPDATE routes SET trouble = 'destination_refuses', trouble_at = collector_now() WHERE id = '{bad}'"))
        .await;
    let status = status(&api, &source).await;
    assert_eq!(
        told(&status["delivery"]),
        ("action_needed", Some("destination_refuses"), true, true)
    );
    let rungs: Vec<&str> = status["delivery"]["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|health| health["state"].as_str().unwrap())
        .collect();
    assert_eq!(rungs, ["running", "action_needed"]);
}
