//! Headers and error bodies, compared with real recordings.

use std::collections::BTreeSet;

use okta_sim::Fault;
use serde_json::Value;

use crate::support::{Answer, Fixture, data};

/// A recorded answer: lowercase header names (with repeats) and body.
fn recorded(name: &str) -> Option<(Vec<String>, Value)> {
    let file = std::fs::read(data()?.join("okta/recorded").join(name)).unwrap();
    let exchange: Value = serde_json::from_slice(&file).unwrap();
    let response = &exchange["response"];
    let names = response["headers"].as_array().unwrap().iter();
    // `connection` is the hop's own, and `transfer-encoding` is seen by the next test.
    let names = names
        .map(|header| header[0].as_str().unwrap().to_lowercase())
        .filter(|name| name != "connection")
        .collect();
    Some((names, response["body"].clone()))
}

fn names(answer: &Answer) -> Vec<String> {
    answer
        .headers
        .iter()
        .map(|(name, _)| name.to_string())
        .collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn headers_and_error_bodies_are_those_of_recorded_answers() {
    let sim = Fixture::start().await;
    let cases = [
        (
            "400-E0000031-bad-after-devices.json",
            None,
            "/api/v1/logs?after=garbage",
        ),
        (
            "429-rate-limit-agentpools.json",
            Some(Fault::RateLimit),
            "/api/v1/logs",
        ),
        ("405-E0000022.json", None, "POST"),
    ];
    for (file, fault, target) in cases {
        let Some((mut expected, body)) = recorded(file) else {
            return;
        };
        sim.org().clear_faults();
        if let Some(fault) = fault {
            sim.org().inject(fault.once());
        }
        let answer = if target == "POST" {
            Answer::of(
                sim.client
                    .post(sim.url("/api/v1/logs"))
                    .send()
                    .await
                    .unwrap(),
            )
            .await
        } else {
            sim.get(target).await
        };
        let mut own = names(&answer);
        // Some recorded orgs had only one of the two policies.
        own.retain(|name| name != "content-security-policy-report-only");
        expected.retain(|name| name != "content-security-policy-report-only");
        own.sort();
        expected.sort();
        assert_eq!(own, expected, "{file}");
        let own = answer.json();
        assert_eq!(keys(&own), keys(&body), "{file}");
        for key in ["errorCode", "errorSummary", "errorLink", "errorCauses"] {
            assert_eq!(own[key], body[key], "{file}: {key}");
        }
        let id = own["errorId"].as_str().unwrap();
        assert!(id.starts_with("oae") && id.len() == 25, "{id}");
    }
}

#[tokio::test]
async fn the_headers_of_a_page_are_those_of_a_recorded_list() {
    let Some((mut expected, _)) = recorded("200-list-two-link-headers-apps.json") else {
        return;
    };
    let sim = Fixture::start().await;
    let client = reqwest::Client::builder().gzip(false).build().unwrap();
    let request = client.get(sim.url("/api/v1/logs"));
    let request = request.header("authorization", "SSWS 00canary-token");

    let answer = Answer::of(
        request
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap(),
    )
    .await;

    let mut own = names(&answer);
    own.retain(|name| name != "content-security-policy-report-only");
    own.sort();
    expected.sort();
    assert_eq!(own, expected);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(&answer.body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn every_api_answer_has_a_fresh_request_id_and_a_large_header_block() {
    let sim = Fixture::start().await;
    let mut seen = BTreeSet::new();

    for target in [
        "/api/v1/logs",
        "/api/v1/org",
        "/nowhere",
        "/api/v1/logs?limit=0",
    ] {
        let answer = sim.get(target).await;
        let id = answer.header("x-okta-request-id").unwrap().to_owned();
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
        assert!(seen.insert(id));
        let size: usize = answer
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        assert!(size > 3000, "{target}: {size}");
        assert!(answer.headers.get_all("set-cookie").iter().count() > 1);
    }
}

#[tokio::test]
async fn the_date_is_the_simulated_one() {
    let sim = Fixture::start().await;
    sim.org()
        .clock()
        .set("2031-05-06T07:08:09Z".parse().unwrap());

    let answer = sim.get("/api/v1/logs").await;

    assert!(
        answer
            .header("date")
            .unwrap()
            .starts_with("Tue, 06 May 2031 07:08:"),
        "{answer:?}"
    );
    let set = "2031-05-06T07:08:09Z"
        .parse::<chrono::DateTime<chrono::Utc>>()
        .unwrap()
        .timestamp();
    assert!(
        (set + 60..set + 100).contains(&answer.number("x-rate-limit-reset")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn bodies_are_compressed_only_for_who_asks() {
    let sim = Fixture::start().await;
    sim.persist(0, 50);
    let client = reqwest::Client::builder().gzip(false).build().unwrap();
    let plain = sim.get("/api/v1/logs").await.body;

    for (accepted, encoded) in [
        ("gzip, deflate", true),
        ("identity", false),
        ("gzip;q=0", false),
        ("br", false),
    ] {
        let request = client
            .get(sim.url("/api/v1/logs"))
            .header("accept-encoding", accepted);
        let answer = Answer::of(
            request
                .header("authorization", "SSWS 00canary-token")
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(
            answer.header("content-encoding") == Some("gzip"),
            encoded,
            "{accepted}"
        );
        assert_eq!(
            answer.header("transfer-encoding"),
            Some("chunked"),
            "{accepted}"
        );
        assert_eq!(answer.body == plain, !encoded, "{accepted}");
    }
}
