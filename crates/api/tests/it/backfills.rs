//! Backfills and verification over HTTP.

use serde_json::json;

use crate::support::{TestApi, field};

#[tokio::test]
async fn a_backfill_is_accepted_shown_listed_and_cancelled() {
    let api = TestApi::start().await;
    let (source, _, _) = api.route("one").await;
    let path = format!("/v1/sources/{source}/backfills");
    let range = json!({"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00+01:00"});
    let made = api.post(&path, range).await;
    let view = made.expect(202);
    let id = view["id"].as_str().unwrap();
    assert_eq!(made.header("location"), format!("/v1/backfills/{id}"));
    assert_eq!(
        (&view["state"], &view["clipped"], &view["stored_events"]),
        (&json!("pending"), &json!(true), &json!(0))
    );
    assert_eq!(view["requested_since"], "2020-01-01T00:00:00Z");
    assert_eq!(view["done_through"], view["since"]);
    assert_eq!(
        (&view["fraction"], &view["reason"]),
        (&json!(0.0), &json!(null))
    );

    let at = format!("/v1/backfills/{id}");
    assert_eq!(api.get(&at).await.expect(200)["id"], view["id"]);
    let list = api.get(&path).await.expect(200);
    assert_eq!(list["items"][0]["id"], view["id"]);
    let other = api.other_tenant().await;
    for (method, path) in [
        ("GET", at.clone()),
        ("POST", format!("{at}/cancel")),
        ("GET", path.clone()),
    ] {
        let foreign = api.send(method, &path, &other, None).await;
        foreign.problem(404, "not_found");
    }
    let viewer = api.key("viewer").await;
    let refused = api
        .send("POST", &format!("{at}/cancel"), &viewer, None)
        .await;
    refused.problem(403, "forbidden");

    let ended = api.act(&format!("{at}/cancel")).await.expect(200);
    assert_eq!(ended["state"], "cancelled");
    assert!(ended["finished_at"].is_string());
}

#[tokio::test]
async fn a_range_without_anything_to_read_is_refused_with_the_reason() {
    let api = TestApi::start().await;
    let (source, _, _) = api.route("one").await;
    let path = format!("/v1/sources/{source}/backfills");
    for (since, until, says) in [
        (
            "2026-02-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
            "earlier than until",
        ),
        ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "90 days"),
        (
            "2100-01-01T00:00:00Z",
            "2100-01-02T00:00:00Z",
            "live polling",
        ),
    ] {
        let refused = api
            .post(&path, json!({"since": since, "until": until}))
            .await;
        assert_eq!(refused.field_errors(), [field("/since", "empty_range")]);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
    let odd = api.post(&path, json!({"since": "yesterday"})).await;
    assert_eq!(
        odd.field_errors(),
        [field("/until", "required"), field("/since", "invalid_time")]
    );
    let range = json!({"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"});
    for _ in 0..3 {
        api.post(&path, range.clone()).await.expect(202);
    }
    api.post(&path, range)
        .await
        .problem(409, "too_many_backfills");
}

#[tokio::test]
async fn verification_is_set_on_the_source_and_shown_in_the_ledger() {
    let api = TestApi::start().await;
    let (source, _, _) = api.route("one").await;
    let path = format!("/v1/sources/{source}");
    assert_eq!(api.get(&path).await.expect(200)["verify"], "daily");
    let changed = api.patch(&path, json!({"verify": "off"})).await.expect(200);
    assert_eq!(changed["verify"], "off");
    let odd = api.patch(&path, json!({"verify": "weekly"})).await;
    assert_eq!(odd.field_errors(), [field("/verify", "invalid_value")]);
    let hour = "INSERT INTO source_ledger (tenant_id, source_id, hour, stored) \
        SELECT tenant_id, id, date_trunc('hour', collector_now()), 3 FROM sources";
    api.db.client().await.batch_execute(hour).await.unwrap();

    let ledger = api.get(&format!("{path}/ledger")).await.expect(200);

    let verification = &ledger["verification"];
    assert_eq!(
        (
            &verification["frequency"],
            &verification["state"],
            &verification["complete_through"]
        ),
        (&json!("off"), &json!("never"), &json!(null))
    );
    let hour = &ledger["items"][0];
    assert_eq!(
        (
            &hour["verdict"],
            &hour["not_verified_because"],
            &hour["found_by_verify"]
        ),
        (&json!("not_verified"), &json!("verify_off"), &json!(0))
    );
}
