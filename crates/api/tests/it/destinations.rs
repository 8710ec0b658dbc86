//! Destinations over HTTP.

use serde_json::{Value, json};

use receiver::{Receiver, ReceiverConfig};

use crate::support::{CANARY, TestApi, destination, field};

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
            field("/file/path", "invalid_path"),
            field("/file/mode", "unknown_field")
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

const LOG_TOKEN: &str = "00000000-0000-4000-8000-00000000c0de";

fn insightops(name: &str) -> Value {
    json!({"name": name, "kind": "insightops", "insightops": {"region": "eu", "token": LOG_TOKEN}})
}

fn webhook(name: &str, url: &str) -> Value {
    let header = json!({"name": "Authorization", "value": CANARY});
    json!({"name": name, "kind": "webhook", "webhook": {"url": url, "headers": [header]}})
}

#[tokio::test]
async fn settings_are_shown_with_their_defaults_and_without_their_secrets() {
    let api = TestApi::start().await;
    let made = api.post("/v1/destinations", insightops("one")).await;
    let view = made.expect(201);
    assert_eq!(view["proof"], "accepted");
    assert!(view["secrets_set_at"].is_string());
    assert_eq!(
        view["insightops"],
        json!({"region": "eu", "base_url": null, "log_id": null, "query_url": null,
            "max_event_bytes": 32767, "in_flight": 8})
    );
    assert_eq!(
        (&view["file"], &view["webhook"]),
        (&Value::Null, &Value::Null)
    );
    assert!(!made.text.contains(LOG_TOKEN));

    let made = api
        .post(
            "/v1/destinations",
            webhook("two", "https://siem.example.com/x"),
        )
        .await;
    assert_eq!(
        made.expect(201)["webhook"],
        json!({"url": "https://siem.example.com/x", "body": "ndjson", "headers": [{"name": "authorization"}],
            "gzip": false, "max_batch_events": 1000, "max_batch_bytes": 4_194_304, "in_flight": 1})
    );
    assert!(!made.text.contains(CANARY));
}

#[tokio::test]
async fn a_change_keeps_the_secrets_that_it_does_not_name() {
    let api = TestApi::start().await;
    let receiver = Receiver::start(ReceiverConfig::default()).await.unwrap();
    let url = receiver.url();
    let made = api.post("/v1/destinations", webhook("one", &url)).await;
    let path = format!("/v1/destinations/{}", made.id());
    let changed = api.patch(&path, json!({"webhook": {"gzip": true}})).await;
    assert_eq!(changed.expect(200)["webhook"]["gzip"], true);
    let told = api.act(&format!("{path}/test")).await.expect(200);
    assert_eq!(
        (&told["ok"], &told["proves"]),
        (&json!(true), &json!("accepted")),
        "{told}"
    );
    assert_eq!(told["checks"][0]["status"], "passed");
}

#[tokio::test]
async fn a_new_address_wants_the_secrets_anew() {
    let api = TestApi::start().await;
    let made = api.post("/v1/destinations", insightops("one")).await;
    let path = format!("/v1/destinations/{}", made.id());
    let away = json!({"insightops": {"region": null, "base_url": "https://logs.example.com"}});
    let refused = api.patch(&path, away).await;
    assert_eq!(
        refused.field_errors(),
        [field("/insightops/token", "required")]
    );
    let all = json!({"insightops": {"region": null, "base_url": "https://logs.example.com", "token": LOG_TOKEN}});
    api.patch(&path, all).await.expect(200);

    let made = api
        .post(
            "/v1/destinations",
            webhook("two", "https://siem.example.com/x"),
        )
        .await;
    let path = format!("/v1/destinations/{}", made.id());
    let away = json!({"webhook": {"url": "https://other.example.com/x"}});
    let refused = api.patch(&path, away).await;
    assert_eq!(
        refused.field_errors(),
        [field("/webhook/headers", "required")]
    );
    // Behind one host there may be many receivers.
    let same_host = json!({"webhook": {"url": "https://siem.example.com/y"}});
    let refused = api.patch(&path, same_host).await;
    assert_eq!(
        refused.field_errors(),
        [field("/webhook/headers", "required")]
    );
    let same = json!({"webhook": {"url": "https://siem.example.com/x"}});
    api.patch(&path, same).await.expect(200);
}

#[tokio::test]
async fn hosts_that_are_not_public_are_refused_by_name() {
    let api = TestApi::start().await;
    for url in [
        "http://siem.example.com/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "ftp://x.example.com",
    ] {
        let refused = api.post("/v1/destinations", webhook("one", url)).await;
        let errors = refused.field_errors();
        assert_eq!(errors.len(), 1, "{url}");
        assert_eq!(errors[0].0, "/webhook/url", "{url}");
    }
    let both = json!({"name": "x", "kind": "webhook", "webhook": {"url": "https://a.example.com/"}, "file": {"path": "x"}});
    let refused = api.post("/v1/destinations", both).await;
    assert_eq!(refused.field_errors(), [field("/file", "other_kind")]);
}

#[tokio::test]
async fn a_test_tells_what_was_refused() {
    let api = TestApi::start().await;
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let made = api
        .post(
            "/v1/destinations",
            webhook("one", &format!("http://{gone}/")),
        )
        .await;
    let path = format!("/v1/destinations/{}/test", made.id());
    let told = api.act(&path).await.expect(200);
    assert_eq!(
        (&told["ok"], &told["checks"][0]["status"]),
        (&json!(false), &json!("failed"))
    );
    assert!(told["checks"][0]["code"].is_string(), "{told}");
    let key = api.key("viewer").await;
    api.send("POST", &path, &key, None)
        .await
        .problem(403, "forbidden");
    let other = api.other_tenant().await;
    api.send("POST", &path, &other, None)
        .await
        .problem(404, "not_found");
}
