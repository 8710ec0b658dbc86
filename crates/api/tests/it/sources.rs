//! Sources over HTTP.

use serde_json::{Value, json};

use crate::support::{TestApi, credential, field};

#[tokio::test]
async fn one_call_does_what_the_form_does() {
    let api = TestApi::start().await;
    let (one, two) = (api.destination("one").await, api.destination("two").await);
    let made = api
        .post(
            "/v1/sources",
            json!({
                "display_name": "Acme", "timezone": "Europe/Berlin", "refresh_frequency": "90m", "start": "earliest",
                "filter": "eventType eq \"x\"", "q": "word", "credential": credential("Acme"), "destination_ids": [one, two],
            }),
        )
        .await;
    let view = made.expect(201);
    assert_eq!(
        made.header("location"),
        format!("/v1/sources/{}", made.id())
    );
    assert_eq!(view["display_name"], "Acme");
    assert_eq!(view["timezone"], "Europe/Berlin");
    assert_eq!(view["refresh_frequency"], "90m");
    assert_eq!(view["start_at"], Value::Null);
    assert_eq!(
        (&view["filter"], &view["q"]),
        (&json!("eventType eq \"x\""), &json!("word"))
    );
    assert_eq!(view["enabled"], true);

    let routes = api
        .get(&format!("/v1/routes?source_id={}", made.id()))
        .await
        .expect(200);
    let leads_to = |index: usize| {
        routes["items"][index]["destination_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!([leads_to(0), leads_to(1)], [one, two]);
    let jobs = api.get("/v1/jobs").await.expect(200);
    let polls: Vec<&Value> = jobs["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| job["kind"] == "poll")
        .collect();
    assert_eq!(polls.len(), 1, "{jobs}");
    assert_eq!(polls[0]["subject_id"], view["id"]);
}

#[tokio::test]
async fn what_is_left_out_has_a_default() {
    let api = TestApi::start().await;
    let id = api.credential("one").await;
    let view = api
        .post("/v1/sources", json!({"credential_id": id}))
        .await
        .expect(201);
    assert_eq!(view["display_name"], "acme.okta.com");
    assert_eq!(
        (&view["timezone"], &view["refresh_frequency"]),
        (&json!("UTC"), &json!("1h"))
    );
    assert_ne!(view["start_at"], Value::Null);
    assert_eq!((&view["filter"], &view["q"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_refused_source_leaves_nothing_behind() {
    let api = TestApi::start().await;
    api.credential("taken").await;
    let body = json!({"credential": credential("taken")});
    api.post("/v1/sources", body)
        .await
        .problem(409, "name_taken");
    let nobody = "00000000-0000-7000-8000-00000000dead";
    let body = json!({"credential": credential("new"), "destination_ids": [nobody]});
    let refused = api.post("/v1/sources", body).await;
    assert_eq!(
        refused.field_errors(),
        [field("/destination_ids/0", "unknown_destination")]
    );
    assert_eq!(api.get("/v1/sources").await.expect(200)["items"], json!([]));
    assert_eq!(
        api.get("/v1/credentials").await.expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn the_credential_is_given_in_one_way() {
    let api = TestApi::start().await;
    let id = api.credential("one").await;
    let errors = async |body: Value| api.post("/v1/sources", body).await.field_errors();
    assert_eq!(
        errors(json!({})).await,
        [field("/credential_id", "required")]
    );
    assert_eq!(
        errors(json!({"credential_id": id, "credential": credential("two")})).await,
        [field("/credential", "either_or")]
    );
    assert_eq!(
        errors(json!({"credential_id": "00000000-0000-7000-8000-00000000dead"})).await,
        [field("/credential_id", "unknown_credential")]
    );
    assert_eq!(
        errors(json!({"credential": {"name": "", "domain": "user@acme.okta.com"}})).await,
        [
            field("/credential/name", "empty"),
            field("/credential/domain", "invalid_domain"),
            field("/credential/token", "required"),
        ]
    );
}

#[tokio::test]
async fn a_source_is_changed_and_null_clears() {
    let api = TestApi::start().await;
    let body = json!({"credential": credential("one"), "filter": "x", "q": "y"});
    let id = api.post("/v1/sources", body).await.id();
    let path = format!("/v1/sources/{id}");
    let body = json!({"display_name": "New", "timezone": "Asia/Tokyo", "refresh_frequency": "1d", "filter": null});
    let view = api.patch(&path, body).await.expect(200);
    assert_eq!(
        (&view["display_name"], &view["timezone"]),
        (&json!("New"), &json!("Asia/Tokyo"))
    );
    assert_eq!(view["refresh_frequency"], "1d");
    assert_eq!((&view["filter"], &view["q"]), (&Value::Null, &json!("y")));
    let refused = api
        .patch(&path, json!({"start": "now", "timezone": null}))
        .await;
    assert_eq!(
        refused.field_errors(),
        [
            field("/start", "unknown_field"),
            field("/timezone", "wrong_type")
        ]
    );
}

#[tokio::test]
async fn the_credential_of_another_org_is_refused() {
    let api = TestApi::start().await;
    let source = api.source("one").await;
    let other = api.credential("other").await;
    api.sql(&format!("UPDATE sources SET org_id = '00oOurs'; UPDATE credentials SET org_id = '00oTheirs' WHERE id = '{other}'"))
        .await;
    let path = format!("/v1/sources/{source}");
    let problem = api
        .patch(&path, json!({"credential_id": other}))
        .await
        .problem(409, "foreign_org");
    assert!(
        problem["detail"].as_str().unwrap().contains("00oTheirs"),
        "{problem}"
    );
}

#[tokio::test]
async fn pausing_stops_polls_and_resuming_makes_one_due() {
    let api = TestApi::start().await;
    let path = format!("/v1/sources/{}", api.source("one").await);
    assert_eq!(
        api.act(&format!("{path}/pause")).await.expect(200)["enabled"],
        false
    );
    assert_eq!(
        api.act(&format!("{path}/pause")).await.expect(200)["enabled"],
        false
    );
    api.act(&format!("{path}/poll"))
        .await
        .problem(409, "source_paused");
    let paused = async || {
        let jobs = api.get("/v1/jobs").await.expect(200);
        let jobs = jobs["items"].as_array().unwrap().clone();
        jobs.into_iter().find(|job| job["kind"] == "poll").unwrap()["paused"].clone()
    };
    assert_eq!(paused().await, true);
    assert_eq!(
        api.act(&format!("{path}/resume")).await.expect(200)["enabled"],
        true
    );
    assert_eq!(paused().await, false);
    let job = api.act(&format!("{path}/poll")).await.expect(202);
    assert_eq!(
        (&job["kind"], &job["running"]),
        (&json!("poll"), &json!(false))
    );
}

#[tokio::test]
async fn undelivered_events_are_thrown_away_on_demand_only() {
    let api = TestApi::start().await;
    let (source, _, route) = api.route("one").await;
    api.store_events(&source, 7).await;
    for path in [
        format!("/v1/sources/{source}"),
        format!("/v1/routes/{route}"),
    ] {
        let problem = api.delete(&path).await.problem(409, "undelivered_events");
        assert!(
            problem["detail"].as_str().unwrap().starts_with("7 "),
            "{problem}"
        );
        api.delete(&format!("{path}?discard=false"))
            .await
            .problem(409, "undelivered_events");
    }
    api.delete(&format!("/v1/sources/{source}?discard=true"))
        .await
        .expect(204);
    api.get(&format!("/v1/routes/{route}"))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn the_ledger_is_read_newest_hour_first() {
    let api = TestApi::start().await;
    let (source, _, _) = api.route("one").await;
    api.sql(
        "INSERT INTO source_ledger (tenant_id, source_id, hour, stored, late, duplicate, reread, gap) \
            SELECT tenant_id, id, '2026-01-01T00:00Z'::timestamptz + n * interval '1 hour', 10 + n, 1, 2, 3, n = 2 \
            FROM sources, generate_series(1, 3) AS n; \
         INSERT INTO route_ledger (tenant_id, route_id, hour, delivered, dead, given_up) \
            SELECT tenant_id, id, '2026-01-01T02:00Z', 5, 6, 7 FROM routes",
    )
    .await;
    let path = format!("/v1/sources/{source}/ledger");
    let page = api.get(&format!("{path}?limit=2")).await.expect(200);
    assert_eq!(page["items"][0]["hour"], "2026-01-01T03:00:00Z");
    assert_eq!(
        page["items"][1],
        json!({"hour": "2026-01-01T02:00:00Z", "stored": 12, "late": 1, "duplicate": 2, "reread": 3, "changed": 0,
            "gap": true, "delivered": 5, "dead": 6, "given_up": 7, "verdict": "gap", "not_verified_because": "not_at_head",
            "verified_at": null, "verified_events": null, "found_by_verify": 0, "missing": 0, "restored": 0, "not_shown": 0})
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = api
        .get(&format!("{path}?limit=2&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest["items"][0]["hour"], "2026-01-01T01:00:00Z");
    assert_eq!(
        (
            rest["items"].as_array().unwrap().len(),
            &rest["next_cursor"]
        ),
        (1, &Value::Null)
    );
}
