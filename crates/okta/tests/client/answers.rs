//! What a page carries, and what other answers mean.

use std::time::Duration;

use chrono::DateTime;
use model::cursor::Cursor;
use okta::{ForbiddenKind, OktaClient, OktaError, PageRequest};

use crate::support::{TOKEN, TestOrg, Then, answer, config, fetch, fetch_with, first};

const RATE: [&str; 4] = [
    "x-rate-limit-limit: 60",
    "x-rate-limit-remaining: 59",
    "x-rate-limit-reset: 1757607758",
    "Date: Thu, 11 Sep 2025 16:21:50 GMT",
];

#[tokio::test]
async fn a_page_brings_events_next_link_rate_and_request_id() {
    let body = br#"[{"uuid":"a"}, {"uuid":"b"}]"#;
    let org = TestOrg::new(|origin| {
        let me = format!("link: <{origin}/api/v1/logs>; rel=\"self\"");
        let next = format!("link: <{origin}/api/v1/logs?after=1_1>; rel=\"next\"");
        let csp = format!("content-security-policy: {}", "x".repeat(4000));
        let headers = [
            &RATE[..],
            &[&me, &next, &csp, "x-okta-request-id: 5892d8bb"],
        ]
        .concat();
        vec![(answer(200, &headers, body), Then::KeepOpen)]
    })
    .await;

    let page = fetch(&org).await.unwrap();

    let uuids: Vec<_> = page
        .events
        .iter()
        .filter_map(|event| event.uuid())
        .collect();
    assert_eq!(uuids, ["a", "b"]);
    let next = format!("{}/api/v1/logs?after=1_1", org.origin);
    assert_eq!(page.next, Some(Cursor::new(next)));
    assert_eq!((page.rate.limit, page.rate.remaining), (Some(60), Some(59)));
    assert_eq!(page.rate.resets_in(), Some(Duration::from_secs(48)));
    assert_eq!(page.date, DateTime::from_timestamp(1_757_607_710, 0));
    assert_eq!(page.request_id.as_deref(), Some("5892d8bb"));
    assert_eq!(page.raw_bytes, body.len());
}

#[tokio::test]
async fn a_request_names_token_agent_and_encoding_and_no_cookie() {
    let cookie = "set-cookie: JSESSIONID=x; Path=/";
    let say = answer(200, &[cookie], b"[]");
    let mut org = TestOrg::new(|_| vec![(say.clone(), Then::KeepOpen); 2]).await;

    let auth = okta::Auth::Ssws(TOKEN.to_owned().into());
    let client = OktaClient::new(config()).unwrap();
    for _ in 0..2 {
        client
            .fetch_page(&org.origin, &auth, &first())
            .await
            .unwrap();
    }

    for _ in 0..2 {
        let request = org.request().await.to_ascii_lowercase();
        assert!(
            request.starts_with("get /api/v1/logs?limit=1000 http/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("\r\nauthorization: ssws {TOKEN}\r\n")),
            "{request}"
        );
        assert!(
            request.contains("\r\nuser-agent: okta-collector/"),
            "{request}"
        );
        assert!(
            request.contains("\r\naccept-encoding: gzip\r\n"),
            "{request}"
        );
        assert!(!request.contains("cookie"), "{request}");
    }
}

#[tokio::test]
async fn a_next_link_goes_over_the_wire_as_it_stands_but_for_its_limit() {
    let mut org = TestOrg::saying(answer(200, &[], b"[]")).await;
    let path = "/api/v1/logs?q=&filter=a+eq+%22b%22&since=2020-08-10T00%3A00%3A00%2b00%3A00&limit=";
    let cursor = Cursor::new(format!("{}{path}1000&after=1_1", org.origin));

    let request = PageRequest::Next {
        cursor,
        limit: Some(7),
    };
    fetch_with(config(), &org.origin, &request).await.unwrap();

    let sent = org.request().await;
    assert!(
        sent.starts_with(&format!("GET {path}7&after=1_1 HTTP/1.1\r\n")),
        "{sent}"
    );
}

#[tokio::test]
async fn links_to_other_origins_are_never_followed() {
    let link = "link: <https://evil.example/api/v1/logs?after=1>; rel=\"next\"";
    let mut org = TestOrg::saying(answer(200, &[link], b"[{}]")).await;

    let failure = fetch(&org).await.unwrap_err();
    assert_eq!(
        failure.error,
        OktaError::ForeignLink {
            host: "evil.example".to_owned()
        }
    );
    org.request().await;

    let cursor = Cursor::new("https://evil.example/api/v1/logs?after=1");
    let request = PageRequest::Next {
        cursor,
        limit: None,
    };
    let failure = fetch_with(config(), &org.origin, &request)
        .await
        .unwrap_err();
    assert_eq!(
        failure.error,
        OktaError::ForeignCursor {
            host: "evil.example".to_owned()
        }
    );
    assert!(!org.was_asked());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let mut other = TestOrg::saying(answer(200, &[], b"[]")).await;
        let location = format!("location: {}/api/v1/logs", other.origin);
        let redirect = answer(status, &[&location], b"");
        let answers = vec![(redirect.clone(), Then::KeepOpen), (redirect, Then::Close)];
        let org = TestOrg::new(|_| answers).await;

        let failure = fetch(&org).await.unwrap_err();
        assert_eq!(
            (failure.error.code(), failure.status),
            ("unexpected_answer", Some(status))
        );
        let client = OktaClient::new(config()).unwrap();
        let failure = client.fetch_org(&org.origin).await.unwrap_err();
        assert_eq!(failure.error.code(), "not_an_org");
        assert!(!other.was_asked(), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_brings_rate_headers_and_request_id_too() {
    let body =
        br#"{"errorCode":"E0000011","errorSummary":"Invalid token provided: 00canary-token"}"#;
    let headers = [&RATE[..], &["X-Okta-Request-Id: 5892d8bb"]].concat();
    let org = TestOrg::saying(answer(401, &headers, body)).await;

    let failure = fetch(&org).await.unwrap_err();

    assert_eq!(
        failure.error,
        OktaError::BadToken {
            code: Some("E0000011".to_owned())
        }
    );
    assert_eq!(
        (failure.status, failure.request_id.as_deref()),
        (Some(401), Some("5892d8bb"))
    );
    assert_eq!(failure.rate.unwrap().remaining, Some(59));
    assert!(!format!("{failure} {failure:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_missing_scope_is_told_from_an_empty_body() {
    let header = "www-authenticate: Bearer scope=\"okta.logs.read\", error=\"insufficient_scope\"";
    let org = TestOrg::saying(answer(403, &[header], b"")).await;

    let failure = fetch(&org).await.unwrap_err();

    let kind = ForbiddenKind::MissingScope;
    let code = Some("insufficient_scope".to_owned());
    assert_eq!(failure.error, OktaError::Forbidden { kind, code });
}

#[tokio::test]
async fn an_org_is_asked_for_its_id_without_a_credential() {
    let body = br#"{"id":"00o1","pipeline":"idx","_links":{}}"#;
    let mut org = TestOrg::saying(answer(200, &[], body)).await;

    let info = OktaClient::new(config())
        .unwrap()
        .fetch_org(&org.origin)
        .await
        .unwrap();

    assert_eq!(
        (info.id.as_str(), info.pipeline.as_deref()),
        ("00o1", Some("idx"))
    );
    let request = org.request().await.to_ascii_lowercase();
    assert!(
        request.starts_with("get /.well-known/okta-organization http/1.1\r\n"),
        "{request}"
    );
    assert!(!request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn a_host_that_answers_otherwise_is_no_org() {
    let page = format!("<html>{}</html>", "x".repeat(100_000));
    let table = [
        (answer(404, &[], b"{}"), "not_an_org"),
        (
            answer(301, &["location: https://www.example.com/"], b""),
            "not_an_org",
        ),
        (answer(200, &[], b"<html></html>"), "not_an_org"),
        (answer(200, &[], page.as_bytes()), "not_an_org"),
        (answer(200, &[], br#"{"id":7}"#), "not_an_org"),
        (answer(503, &[], b""), "server_error"),
    ];
    for (say, code) in table {
        let org = TestOrg::saying(say).await;
        let failure = OktaClient::new(config())
            .unwrap()
            .fetch_org(&org.origin)
            .await
            .unwrap_err();
        assert_eq!(failure.error.code(), code);
    }
}
