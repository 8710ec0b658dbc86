//! Settings of destinations that are reached over HTTP: what is stored, what is sealed, what is refused.

use forward::{Destinations as _, OpenError, Proof, Settings};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::insightops::TOKEN;
use crate::web::{PUBLIC_ONLY, errors, given, wrong};

const LOG: &str = "0b5e7d9c-54c8-4f20-9d6f-2d0c9e5a1d77";

/// What is stored, sealed, and where secrets go.
fn checked(kind: &str, settings: &Value) -> (Value, Value, String) {
    let registry = &*PUBLIC_ONLY;
    let checked = registry.check(kind, &given(settings)).unwrap();
    let again = Settings::stored(&checked.config, checked.secrets.as_ref());
    let again = registry.check(kind, &again).unwrap();
    assert_eq!(again.config, checked.config);
    let sealed = checked.secrets.map_or(Value::Null, |secrets| {
        serde_json::from_str(secrets.expose_secret()).unwrap()
    });
    (checked.config, sealed, checked.target.unwrap())
}

fn at(pointer: &str, code: &'static str) -> (String, &'static str) {
    (pointer.to_owned(), code)
}

#[test]
fn an_insightops_log_is_known_by_region_or_by_address() {
    let (config, sealed, target) = checked("insightops", &json!({"region": "eu", "token": TOKEN}));
    let expected = json!({"region": "eu", "max_event_bytes": 32_767, "in_flight": 8});
    assert_eq!(config, expected);
    assert_eq!(sealed, json!({ "token": TOKEN }));
    let hosts =
        "https://eu.webhook.logs.insight.rapid7.com https://eu.rest.logs.insight.rapid7.com";
    assert_eq!(target, hosts);

    let (_, _, target) = checked("insightops", &json!({"region": "us", "token": TOKEN}));
    let hosts = "https://us.webhook.logs.insight.rapid7.com https://rest.logs.insight.rapid7.com";
    assert_eq!(target, hosts);

    let settings = json!({
        "base_url": "https://relay.example.com:8443/in/", "query_url": "https://query.example.com",
        "token": TOKEN, "log_id": LOG, "read_key": "key", "max_event_bytes": 1024, "in_flight": 64,
    });
    let (config, sealed, target) = checked("insightops", &settings);
    let expected = json!({
        "base_url": "https://relay.example.com:8443/in", "query_url": "https://query.example.com",
        "log_id": LOG, "max_event_bytes": 1024, "in_flight": 64,
    });
    assert_eq!(config, expected);
    assert_eq!(sealed, json!({"token": TOKEN, "read_key": "key"}));
    assert_eq!(
        target,
        "https://relay.example.com:8443 https://query.example.com"
    );
}

#[test]
fn what_is_wrong_with_an_insightops_log_is_told_field_by_field() {
    for (settings, expected) in [
        (
            json!({}),
            vec![at("/region", "required"), at("/token", "required")],
        ),
        (
            json!({"region": "eu", "base_url": "https://example.com", "token": TOKEN}),
            vec![at("/base_url", "conflict")],
        ),
        (
            json!({"region": "EU", "token": TOKEN}),
            vec![at("/region", "invalid_region")],
        ),
        (
            json!({"region": "eu.evil", "token": TOKEN}),
            vec![at("/region", "invalid_region")],
        ),
        (
            json!({"region": 7, "token": 7}),
            vec![at("/region", "wrong_type"), at("/token", "wrong_type")],
        ),
        (
            json!({"region": "eu", "token": "6c1f5cb09f3a4a4c8d2b2f2d1c9e7a55"}),
            vec![at("/token", "invalid_token")],
        ),
        (
            json!({"region": "eu", "token": TOKEN, "query_url": "https://example.com"}),
            vec![at("/query_url", "conflict")],
        ),
        (
            json!({"region": "eu", "token": TOKEN, "log_id": LOG}),
            vec![at("/read_key", "required")],
        ),
        (
            json!({"region": "eu", "token": TOKEN, "log_id": "x", "read_key": "a b"}),
            vec![at("/log_id", "invalid_id"), at("/read_key", "invalid_key")],
        ),
        (
            json!({"base_url": "https://example.com", "token": TOKEN, "log_id": LOG, "read_key": "k"}),
            vec![at("/query_url", "required")],
        ),
        (
            json!({"region": "eu", "token": TOKEN, "max_event_bytes": 32_768, "in_flight": 0}),
            vec![
                at("/max_event_bytes", "out_of_range"),
                at("/in_flight", "out_of_range"),
            ],
        ),
        (
            json!({"base_url": format!("https://example.com/v1/noformat/{TOKEN}"), "token": TOKEN}),
            vec![at("/base_url", "invalid_url")],
        ),
        (
            json!({"base_url": format!("https://example.com/?t={TOKEN}"), "token": TOKEN}),
            vec![at("/base_url", "invalid_url")],
        ),
    ] {
        assert_eq!(wrong("insightops", &settings), expected, "{settings}");
    }
}

#[test]
fn a_webhook_seals_the_values_of_its_headers() {
    let url = "https://example.com/okta?key=1";
    let (config, sealed, target) = checked("webhook", &json!({ "url": url }));
    let mut expected = json!({
        "url": url, "body": "ndjson", "headers": [], "gzip": false,
        "max_batch_events": 1000, "max_batch_bytes": 4_194_304, "in_flight": 1,
    });
    assert_eq!((config, sealed), (expected.clone(), Value::Null));
    assert_eq!(target, "https://example.com/okta?key=1");

    let settings = json!({
        "url": url, "body": "single", "gzip": true, "max_batch_events": 1,
        "max_batch_bytes": 33_554_432, "in_flight": 64,
        "headers": [{"name": "Authorization", "value": "Bearer s"}, {"name": "x-a", "value": ""}],
    });
    let (config, sealed, _) = checked("webhook", &settings);
    expected = settings;
    expected["headers"] = json!([{"name": "authorization"}, {"name": "x-a"}]);
    assert_eq!(config, expected);
    let headers = json!([
        {"name": "authorization", "value": "Bearer s"}, {"name": "x-a", "value": ""},
    ]);
    assert_eq!(sealed, json!({ "headers": headers }));
}

#[test]
fn what_is_wrong_with_the_address_of_a_webhook_is_told() {
    let long = format!("https://example.com/{}", "x".repeat(2048));
    for (url, code) in [
        ("example.com", "invalid_url"),
        ("ftp://example.com", "invalid_url"),
        ("https://me@example.com", "invalid_url"),
        ("https://:pw@example.com", "invalid_url"),
        ("https://example.com/#part", "invalid_url"),
        (&long, "invalid_url"),
        ("http://example.com", "host_not_allowed"),
        ("https://127.0.0.1", "host_not_allowed"),
        ("https://[::ffff:10.0.0.1]", "host_not_allowed"),
        ("https://2130706433/", "host_not_allowed"),
    ] {
        let expected = [at("/url", code)];
        assert_eq!(wrong("webhook", &json!({ "url": url })), expected, "{url}");
    }
    assert_eq!(wrong("webhook", &json!({})), [at("/url", "required")]);
}

#[test]
fn what_is_wrong_with_the_rest_of_a_webhook_is_told_field_by_field() {
    for (name, value, code) in [
        ("body", json!("xml"), "unknown_word"),
        ("gzip", json!(1), "wrong_type"),
        ("in_flight", json!(2), "conflict"),
        ("max_batch_events", json!(10_001), "out_of_range"),
        ("max_batch_bytes", json!(1023), "out_of_range"),
        ("headers", json!({}), "wrong_type"),
        ("headers", json!(vec![0; 33]), "wrong_type"),
    ] {
        let settings = json!({"url": "https://example.com", name: value});
        let expected = [at(&format!("/{name}"), code)];
        assert_eq!(wrong("webhook", &settings), expected, "{settings}");
    }
}

#[test]
fn what_is_wrong_with_the_headers_of_a_webhook_is_told_one_by_one() {
    let header = |name: &str, value: &str| json!({"name": name, "value": value});
    let ok = header("ok", "");
    for (header, below, code) in [
        (json!(7), "", "wrong_type"),
        (json!({"name": "a", "value": "b", "c": 1}), "", "wrong_type"),
        (json!({"value": "a"}), "/name", "required"),
        (json!({"name": "a"}), "/value", "required"),
        (header("", "x"), "/name", "invalid_header"),
        (header("a b", "x"), "/name", "invalid_header"),
        (header(&"a".repeat(101), "x"), "/name", "invalid_header"),
        (header("OK", "x"), "/name", "duplicate"),
        (header("x", "a\r\nb"), "/value", "invalid_header"),
        (header("x", " a"), "/value", "invalid_header"),
        (header("x", "\u{e9}"), "/value", "invalid_header"),
        (header("x", &"a".repeat(8193)), "/value", "invalid_header"),
        (header("Host", "x"), "/name", "reserved_header"),
        (header("Content-Length", "1"), "/name", "reserved_header"),
        (header("content-type", "x"), "/name", "reserved_header"),
        (header("Content-Encoding", "x"), "/name", "reserved_header"),
        (header("Idempotency-Key", "x"), "/name", "reserved_header"),
        (header("Transfer-Encoding", "x"), "/name", "reserved_header"),
        (header("Connection", "x"), "/name", "reserved_header"),
    ] {
        let settings = json!({"url": "https://example.com", "headers": [ok, header]});
        let expected = [at(&format!("/headers/1{below}"), code)];
        assert_eq!(wrong("webhook", &settings), expected, "{settings}");
    }
}

#[test]
fn what_is_refused_is_not_repeated() {
    let canary = "canary-1b2c";
    let odd = format!("{canary}\n");
    for (kind, settings) in [
        (
            "insightops",
            json!({"region": "eu", "token": odd, "log_id": LOG, "read_key": odd}),
        ),
        (
            "insightops",
            json!({"base_url": format!("https://a:{canary}@x"), "token": canary}),
        ),
        (
            "webhook",
            json!({"url": "x", "headers": [{"name": "a", "value": odd}]}),
        ),
        ("webhook", json!({"url": format!("https://{canary}@x")})),
    ] {
        let told = format!("{:?}", errors(kind, &settings));
        assert!(!told.contains(canary), "{told}");
    }
}

#[test]
fn each_kind_says_what_delivered_proves() {
    let registry = &*PUBLIC_ONLY;
    assert_eq!(registry.proof("file"), Some(Proof::Stored));
    assert_eq!(registry.proof("insightops"), Some(Proof::Accepted));
    assert_eq!(registry.proof("webhook"), Some(Proof::Accepted));
    let error = registry.check("pigeon", &Settings::default()).unwrap_err();
    assert_eq!(error, OpenError::UnknownKind("pigeon".to_owned()));
}
