//! Jobs over HTTP.

use serde_json::{Value, json};

use crate::support::TestApi;

#[tokio::test]
async fn jobs_are_listed_with_when_and_what() {
    let api = TestApi::start().await;
    let (source, _, route) = api.route("one").await;
    let jobs = api.get("/v1/jobs").await.expect(200);
    let jobs = jobs["items"].as_array().unwrap();
    let of = |kind: &str| jobs.iter().find(|job| job["kind"] == kind).unwrap().clone();
    assert_eq!(jobs.len(), 4, "{jobs:?}");
    assert_eq!(of("verify")["subject_id"], json!(source));
    let poll = of("poll");
    assert_eq!(
        (&poll["subject_id"], &poll["paused"]),
        (&json!(source), &json!(false))
    );
    assert_eq!((&poll["leases"], &poll["attempt"]), (&json!(0), &json!(0)));
    assert!(poll["id"].is_string(), "{poll}");
    assert_eq!(of("deliver")["subject_id"], json!(route));
    assert_eq!(of("check_credential")["paused"], false);
}

#[tokio::test]
async fn jobs_come_in_pages() {
    let api = TestApi::start().await;
    api.route("one").await;
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=1".to_owned();
    loop {
        let page = api.get(&path).await.expect(200);
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|job| job["id"].clone()),
        );
        let Value::String(cursor) = &page["next_cursor"] else {
            break;
        };
        path = format!("/v1/jobs?limit=1&cursor={cursor}");
    }
    let all = api.get("/v1/jobs").await.expect(200);
    let all: Vec<Value> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["id"].clone())
        .collect();
    assert_eq!(seen, all);
}
