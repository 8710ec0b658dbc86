//! Batches and events on their way to a webhook: what is posted, and what each answer means.

use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use forward::{Destination, Events, Limits, Report, Then, Verdict};
use model::status::Trouble;
use serde_json::{Value, json};

use crate::server::{Reply, Server, status};
use crate::web::{deliver, deliver_events, numbered, open, open_with, registry};

const KEY: &str = "log-7-0-8-0-raw";

async fn ok() -> Server {
    Server::replying(|_, _| status(200)).await
}

fn hook(server: &Server, changes: &Value) -> Arc<dyn Destination> {
    let mut settings = json!({ "url": format!("{}/in?a=b", server.url()) });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    open("webhook", &settings)
}

const ODD: &str = "{ \"a\":1e400,\"a\":null }\n{\"b\":\"\\ud800\"}\n{}";

#[tokio::test]
async fn a_batch_is_one_request_with_its_key() {
    for (form, content_type, body) in [
        ("ndjson", "application/x-ndjson", format!("{ODD}\n")),
        (
            "json_array",
            "application/json",
            format!("[{}]", ODD.replace('\n', ",")),
        ),
    ] {
        let server = ok().await;
        let headers =
            json!([{"name": "Authorization", "value": "Bearer s"}, {"name": "X-A", "value": "1"}]);
        let hook = hook(&server, &json!({"body": form, "headers": headers}));

        assert_eq!(deliver(&hook, ODD).await, Report::all(3));

        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        let request = &requests[0];
        assert_eq!(request.line, "POST /in?a=b HTTP/1.1");
        assert_eq!(request.text(), body);
        assert_eq!(request.header("content-type"), content_type);
        assert_eq!(request.header("idempotency-key"), KEY);
        assert_eq!(request.header("authorization"), "Bearer s");
        assert_eq!(request.header("x-a"), "1");
        assert_eq!(request.header("content-encoding"), "");
    }
}

#[tokio::test]
async fn single_events_come_in_order_each_with_a_key_of_its_own() {
    let server = ok().await;
    let single = hook(&server, &json!({"body": "single"}));

    assert_eq!(deliver(&single, numbered(50)).await, Report::all(50));

    assert_eq!(server.bodies().join("\n") + "\n", numbered(50));
    assert_eq!(server.most_at_once(), 1);
    let key = |at: usize| server.requests()[at].header("idempotency-key").to_owned();
    let keys: std::collections::BTreeSet<String> = (0..50).map(key).collect();
    assert_eq!(keys.len(), 50);
    assert_eq!(
        server.requests()[0].header("content-type"),
        "application/json"
    );

    // Another batch, which begins with the third event: its key is the same.
    let rest = Events::from_lines(numbered(50)).slice(2..3);
    deliver_events(&single, rest).await;
    assert_eq!(key(50), key(2));
}

#[tokio::test]
async fn a_single_event_is_tried_again_in_place_with_the_same_key() {
    let faults = [Reply::Cut, status(503), status(200)];
    let server = Server::replying(move |number, _| faults[number].clone()).await;
    let single = hook(&server, &json!({"body": "single", "in_flight": 4}));

    assert_eq!(deliver(&single, "{}").await, Report::all(1));

    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    let key = requests[0].header("idempotency-key");
    assert!(!key.is_empty());
    assert!(
        requests
            .iter()
            .all(|it| it.header("idempotency-key") == key)
    );
}

#[tokio::test]
async fn a_compressed_body_is_the_same_bytes_on_every_attempt() {
    let server = Server::replying(|number, _| status(if number == 0 { 503 } else { 202 })).await;
    let hook = hook(&server, &json!({"gzip": true}));

    let first = deliver(&hook, numbered(1000)).await;
    let second = deliver(&hook, numbered(1000)).await;

    assert_eq!((first.settled, second), (0, Report::all(1000)));
    let requests = server.requests();
    assert_eq!(requests[0].body, requests[1].body);
    for request in &requests {
        assert_eq!(request.header("content-encoding"), "gzip");
        assert_eq!(request.header("idempotency-key"), KEY);
        let mut body = String::new();
        let mut decoder = GzDecoder::new(request.body.as_slice());
        std::io::Read::read_to_string(&mut decoder, &mut body).unwrap();
        assert_eq!(body, numbered(1000));
    }
}

#[tokio::test]
async fn an_outage_is_waited_for_as_long_as_the_receiver_asks() {
    for refusal in [408, 425, 429, 500, 502, 503, 504] {
        for form in ["ndjson", "json_array", "single"] {
            let server = Server::replying(move |_, _| {
                Reply::Answer(
                    refusal,
                    "Retry-After: 17\r\n".to_owned(),
                    "later".to_owned(),
                )
            })
            .await;

            let report = deliver(&hook(&server, &json!({"body": form})), numbered(9)).await;

            let then = Then::Retry {
                after: Some(Duration::from_secs(17)),
                trouble: Trouble::DestinationUnavailable,
                detail: format!("it answered with status {refusal}: later"),
            };
            assert_eq!(report, Report::none(then));
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_outage() {
    let server = Server::replying(|_, _| Reply::Cut).await;
    let report = deliver(&hook(&server, &json!({})), numbered(9)).await;
    assert_eq!(report.settled, 0);
    assert!(
        matches!(report.then, Then::Retry { after: None, .. }),
        "{report:?}"
    );
}

#[tokio::test]
async fn answers_that_time_does_not_change_stop_and_redirects_are_not_followed() {
    for refusal in [301, 302, 307, 308, 401, 403, 404, 405, 410, 415] {
        for form in ["ndjson", "single"] {
            let elsewhere = ok().await;
            let location = format!("location: {}/\r\n", elsewhere.url());
            let server = Server::replying(move |_, _| {
                Reply::Answer(refusal, location.clone(), String::new())
            })
            .await;

            let report = deliver(&hook(&server, &json!({"body": form})), numbered(9)).await;

            let Then::Stop { trouble, detail } = &report.then else {
                panic!("{report:?}");
            };
            assert_eq!((report.settled, *trouble), (0, Trouble::DestinationRefuses));
            let end = format!("; 127.0.0.1: it answered with status {refusal}");
            assert!(detail.ends_with(&end), "{detail}");
            assert!(elsewhere.requests().is_empty());
        }
    }
}

#[tokio::test]
async fn a_batch_that_is_refused_is_split_until_the_event_is_alone() {
    for (refusal, cause) in [(413, "too_large"), (400, "rejected"), (422, "rejected")] {
        // Nothing with the event 5 in it is taken.
        let server = Server::replying(move |_, request| {
            let bad = request.text().contains("{\"n\":5}");
            Reply::Answer(
                if bad { refusal } else { 200 },
                String::new(),
                "why".to_owned(),
            )
        })
        .await;
        let together = hook(&server, &json!({}));

        assert_eq!(
            deliver(&together, numbered(9)).await,
            Report::none(Then::Split)
        );

        let alone = Events::from_lines(numbered(9)).slice(5..6);
        let report = deliver_events(&together, alone).await;
        assert_eq!((report.settled, &report.then), (1, &Then::Continue));
        let refused = &report.refused[0];
        assert_eq!((refused.index, refused.cause), (0, cause));
        assert_eq!(
            refused.detail,
            format!("it answered with status {refusal}: why")
        );

        // One by one there is nothing to split.
        let report = deliver(&hook(&server, &json!({"body": "single"})), numbered(9)).await;
        assert_eq!((report.settled, &report.then), (9, &Then::Continue));
        let refused: Vec<_> = report
            .refused
            .iter()
            .map(|it| (it.index, it.cause))
            .collect();
        assert_eq!(refused, [(5, cause)]);
    }
}

#[tokio::test]
async fn an_event_that_is_no_text_is_refused_and_the_others_go_on() {
    let lines: &[u8] = b"{\"a\":\"\xff\"}\n{\"b\":2}\n{\"c\":\"\xed\xa0\x80\"}\n{\"d\":4}";
    for (form, bodies) in [
        ("ndjson", vec!["{\"b\":2}\n{\"d\":4}\n"]),
        ("json_array", vec!["[{\"b\":2},{\"d\":4}]"]),
        ("single", vec!["{\"b\":2}", "{\"d\":4}"]),
    ] {
        let server = ok().await;
        let report = deliver(&hook(&server, &json!({"body": form})), lines).await;
        assert_eq!((report.settled, &report.then), (4, &Then::Continue));
        let refused: Vec<_> = report
            .refused
            .iter()
            .map(|it| (it.index, it.cause))
            .collect();
        assert_eq!(refused, [(0, "not_utf8"), (2, "not_utf8")]);
        assert_eq!(server.bodies(), bodies);
    }

    // What is left alone is refused beside them; where nothing is left, nothing is sent.
    let server = Server::replying(|_, _| status(400)).await;
    let together = hook(&server, &json!({}));
    let lines: &[u8] = b"{\"a\":\"\xff\"}\n{\"b\":2}\n{\"c\":\"\xff\"}";
    let report = deliver(&together, lines).await;
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|it| (it.index, it.cause))
        .collect();
    assert_eq!(refused, [(0, "not_utf8"), (1, "rejected"), (2, "not_utf8")]);
    assert_eq!((report.settled, &report.then), (3, &Then::Continue));
    let report = deliver(&together, b"{\"a\":\"\xff\"}").await;
    assert_eq!((report.settled, report.refused.len()), (1, 1));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn no_body_of_several_events_is_larger_than_allowed() {
    let server = ok().await;
    let hook = hook(
        &server,
        &json!({"max_batch_bytes": 1024, "max_batch_events": 7}),
    );
    let limits = Limits {
        max_events: 7,
        max_bytes: 1024,
    };
    assert_eq!(hook.limits(), limits);
    let event = |size: usize| format!("{{\"a\":\"{}\"}}\n", "x".repeat(size - 8));

    // As a format may have made them: 513 + 512 bytes.
    let large = [event(513), event(512)].concat();
    assert_eq!(deliver(&hook, large).await, Report::none(Then::Split));
    assert!(server.requests().is_empty());
    let fits = [event(512), event(512)].concat();
    assert_eq!(deliver(&hook, fits).await, Report::all(2));
    assert_eq!(deliver(&hook, event(5000)).await, Report::all(1));
}

#[tokio::test]
async fn a_test_posts_a_body_of_the_chosen_form() {
    let canary = r#"{"okta_collector_test":"a-nonce","sent_at":"1970-01-01T00:00:00.000Z"}"#;
    for (form, body) in [
        ("ndjson", format!("{canary}\n")),
        ("json_array", format!("[{canary}]")),
        ("single", canary.to_owned()),
    ] {
        let server = ok().await;
        let hook = hook(&server, &json!({"body": form}));
        let checks = hook.test("a-nonce", chrono::DateTime::UNIX_EPOCH).await;
        assert_eq!(checks.len(), 1);
        assert_eq!(
            (checks[0].name, checks[0].verdict),
            ("accepted", Verdict::Passed)
        );
        assert_eq!(server.bodies(), [body]);
        assert_eq!(server.requests()[0].header("idempotency-key"), "a-nonce");
    }
    for (answer, word) in [(400, "refused"), (410, "refused"), (503, "unavailable")] {
        let server = Server::replying(move |_, _| status(answer)).await;
        let checks = hook(&server, &json!({}))
            .test("n", chrono::DateTime::UNIX_EPOCH)
            .await;
        assert_eq!(checks[0].verdict, Verdict::Failed(word));
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let server = ok().await;
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    let settings = json!({ "url": format!("https://localhost:{port}/") });
    let blocked = "localhost may not be used: it must be https and have a public address, unless the operator allows it in COLLECTOR_ALLOW_HOSTS";

    let hook = open_with(&registry(""), "webhook", &settings);

    let then = Then::Stop {
        trouble: Trouble::DestinationRefuses,
        detail: blocked.to_owned(),
    };
    assert_eq!(deliver(&hook, "{}").await, Report::none(then));
    let checks = hook.test("n", chrono::DateTime::UNIX_EPOCH).await;
    assert_eq!(checks[0].verdict, Verdict::Failed("refused"));
    assert_eq!(checks[0].detail, blocked);
    assert!(server.requests().is_empty());

    // Allowed by name, it is.
    let settings = json!({ "url": format!("http://localhost:{port}/") });
    let hook = open_with(&registry("localhost"), "webhook", &settings);
    assert_eq!(deliver(&hook, "{}").await, Report::all(1));
}
