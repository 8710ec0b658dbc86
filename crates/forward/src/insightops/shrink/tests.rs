//! Shrunk events: what is left of which.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Events;
use crate::formats::{Facts, Format, Stamp};

/// A JSON text of about so many bytes.
fn long(size: usize) -> String {
    format!("\"{}\"", "x".repeat(size))
}

fn shrunk(rendered: &str, limit: usize) -> (Value, String) {
    let smaller = shrink(rendered, limit).unwrap();
    assert!(
        smaller.entry.len() <= limit,
        "{} bytes",
        smaller.entry.len()
    );
    assert!(!smaller.entry.contains('\n'));
    let entry = serde_json::from_str(&smaller.entry).unwrap();
    (entry, smaller.left_out)
}

/// The marks of an event, as they must be.
fn marks_of(event: &str) -> Value {
    let hash = digest(&SHA256, event.as_bytes());
    let hex: Vec<_> = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({"_truncated": true, "_original_bytes": event.len(), "_sha256": hex.concat()})
}

/// Asserts that the entry is the event without some parts, and marked.
fn assert_is(entry: &Value, left: Value, event: &str) {
    let mut expected = left;
    let Value::Object(marks) = marks_of(event) else {
        unreachable!();
    };
    expected.as_object_mut().unwrap().extend(marks);
    assert_eq!(*entry, expected);
}

/// An event with something bulky in each place, each of about so many bytes.
fn bulky(size: usize) -> String {
    let long = long(size);
    format!(
        r#"{{"actor":{{"id":"a"}},"debugContext":{{"debugData":{{"a":{long},"b":"short","c":{long}}}}},"request":{{"ipChain":[{{"ip":"1"}},{long},{long}]}},"target":[{{"id":"t","detailEntry":{long}}},{{"id":"u","detailEntry":null}}],"uuid":"it"}}"#
    )
}

#[test]
fn bulky_parts_go_in_order_until_the_event_fits() {
    let event = bulky(2000);
    let left = |debug: Value, target: Value, chain: Value| {
        json!({
            "actor": {"id": "a"}, "uuid": "it", "debugContext": {"debugData": debug},
            "target": target, "request": {"ipChain": chain},
        })
    };
    let text = Value::String("x".repeat(2000));
    let short = json!({"b": "short"});
    let targets = |detail: Value| json!([{"id": "t", "detailEntry": detail}, {"id": "u", "detailEntry": null}]);
    let bare = json!([{"id": "t"}, {"id": "u"}]);
    let chain = json!([{"ip": "1"}, &text, &text]);
    let without_debug = "long values of debugContext.debugData";

    let (entry, left_out) = shrunk(&event, 6700);
    assert_is(
        &entry,
        left(short.clone(), targets(text.clone()), chain.clone()),
        &event,
    );
    assert_eq!(left_out, without_debug);

    let (entry, left_out) = shrunk(&event, 4700);
    assert_is(&entry, left(short.clone(), bare.clone(), chain), &event);
    assert_eq!(left_out, format!("{without_debug}, target[].detailEntry"));

    let (entry, left_out) = shrunk(&event, 1024);
    assert_is(&entry, left(short, bare, json!([{"ip": "1"}])), &event);
    assert!(left_out.ends_with(", request.ipChain after the first"));
}

#[test]
fn then_only_what_tells_the_event_is_left_and_then_only_the_marks() {
    let event = format!(
        r#"{{"displayMessage":{},"uuid":"one","other":{},"eventType":"t","uuid":"two","published":1e400}}"#,
        long(600),
        long(2000)
    );
    // The last of two of one name counts, a number no reader can hold is kept as it is.
    let smaller = shrink(&event, 1024).unwrap();
    let marks = marks(&event);
    let message = long(600);
    let all = format!(
        r#"{{"uuid":"two","published":1e400,"eventType":"t","displayMessage":{message},{marks}}}"#
    );
    assert_eq!(smaller.entry, all);
    assert_eq!(
        smaller.left_out,
        "everything but uuid, published, eventType, displayMessage"
    );

    let smaller = shrink(&event, 400).unwrap();
    let some = format!(r#"{{"uuid":"two","published":1e400,"eventType":"t",{marks}}}"#);
    assert_eq!(smaller.entry, some);

    let least = marks.len() + 2;
    let smaller = shrink(&event, least).unwrap();
    assert_eq!(smaller.entry, format!("{{{marks}}}"));
    assert_eq!(smaller.left_out, "everything");
    assert_eq!(shrink(&event, least - 1), None);
}

#[test]
fn no_limit_is_exceeded_by_a_byte() {
    let event = bulky(1100);
    let mut sizes = std::collections::BTreeSet::new();
    let least = marks(&event).len() + 2;
    for limit in least..event.len() {
        let size = shrink(&event, limit).unwrap().entry.len();
        assert!(size <= limit, "{size} > {limit}");
        sizes.insert(size);
    }
    // Marks alone, with one field, with both, and without three, two, one of what is bulky: each as soon
    // as there is room for it.
    assert_eq!(sizes.len(), 6);
    for size in sizes {
        assert_eq!(shrink(&event, size).unwrap().entry.len(), size);
    }
}

#[test]
fn marks_that_came_with_an_event_are_not_left_beside_ours() {
    let event = format!(
        r#"{{"_truncated":false,"_sha\u0032\u00356":7,"uuid":"it","_sha256":8,"target":[{{"detailEntry":{}}}]}}"#,
        long(2000)
    );
    let smaller = shrink(&event, 1024).unwrap();
    let left = format!(r#"{{"uuid":"it","target":[{{}}],{}}}"#, marks(&event));
    assert_eq!(smaller.entry, left);
}

#[test]
fn an_event_that_is_mostly_blanks_keeps_its_parts() {
    let event = format!(r#"{{ "uuid" : "it" ,{} "a" : [ 1 ] }}"#, " ".repeat(3000));
    let smaller = shrink(&event, 1024).unwrap();
    let left = format!(r#"{{"uuid":"it","a":[ 1 ],{}}}"#, marks(&event));
    assert_eq!(smaller.entry, left);
    assert_eq!(smaller.left_out, "blanks between tokens");
}

#[test]
fn hostile_events_are_shrunk_like_any_other() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let half = r#""\ud800":"\udfff""#;
    let many = vec!["1"; 20_000].join(",");
    for event in [
        format!(r#"{{"uuid":"it","deep":{deep}}}"#),
        format!(r#"{{"uuid":"it","request":{{"ipChain":{deep}}}}}"#),
        format!(r#"{{"uuid":"it","target":{deep},"target":[{deep}]}}"#),
        format!(r#"{{"uuid":"it","debugContext":{{"debugData":[{many}]}}}}"#),
        format!(r#"{{"uuid":"it","request":{{"ipChain":[{many}]}}}}"#),
        format!(r#"{{"uuid":"it",{half},"a":{}}}"#, long(4000)),
        format!(
            r#"{{"uuid":"it","debugContext":{{"debugData":{{{half},"a":{}}}}}}}"#,
            long(4000)
        ),
        format!(r#"{{"\u0075uid":"it","n":-1E+999,"a":{}}}"#, long(4000)),
    ] {
        let smaller = shrink(&event, 1024).unwrap();
        assert!(smaller.entry.len() <= 1024);
        assert!(smaller.entry.contains(r#"uid":"it""#), "{}", smaller.entry);
        assert!(smaller.entry.ends_with(&format!("{}}}", marks(&event))));
    }
    // Not even objects, or no JSON: never cut from a page, and still no reason to fail.
    for odd in [
        "[1]".to_owned(),
        long(5000),
        "{\"uuid\":\"it\",".repeat(500),
        "{".repeat(5000),
    ] {
        let smaller = shrink(&odd, 1024).unwrap();
        assert_eq!(smaller.entry, format!("{{{}}}", marks(&odd)));
    }
}

fn enveloped(event: &str) -> String {
    let facts = Facts {
        source_id: uuid::Uuid::from_u128(1),
        source: "Acme \"main\"".to_owned(),
        org: "acme.okta.com".to_owned(),
        timezone: "UTC".to_owned(),
    };
    let stamp = Stamp {
        log_id: uuid::Uuid::from_u128(2),
        batch: 41,
        collected_at: chrono::DateTime::UNIX_EPOCH,
    };
    let events = Events::from_lines(event.to_owned());
    let rendered = Format::Envelope
        .with(facts)
        .render(&events, std::iter::once(stamp));
    let rendered = rendered.iter().next().unwrap().to_vec();
    String::from_utf8(rendered).unwrap()
}

#[test]
fn in_an_envelope_the_event_is_shrunk_and_the_collector_kept() {
    let event = bulky(1500);
    let rendered = enveloped(&event);
    let whole: Value = serde_json::from_str(&rendered).unwrap();

    let (entry, left_out) = shrunk(&rendered, 1600);
    assert_eq!(entry["collector"], whole["collector"]);
    assert_eq!(entry["event"]["target"], json!([{"id": "t"}, {"id": "u"}]));
    assert_eq!(entry["event"]["_sha256"], marks_of(&event)["_sha256"]);
    assert!(left_out.starts_with("long values of"), "{left_out}");

    // Where the collector leaves no room, the marks come first.
    let (entry, left_out) = shrunk(&rendered, 300);
    assert_is(&entry, json!({"uuid": "it", "actor": {"id": "a"}}), &event);
    assert_eq!(left_out, "collector, everything but uuid, actor");
}

/// JSON of any shape, with the names that matter in it.
fn any_json() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "uuid",
            "published",
            "actor",
            "debugContext",
            "debugData",
            "target",
            "detailEntry",
            "request",
            "ipChain",
            "_truncated",
            "collector",
            "event",
            "\\ud800",
            "\\u0075uid",
        ])
        .prop_map(str::to_owned),
        "[a-z]{0,3}",
    ];
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "1e400", "-0", "\"\\udfff\"", "{}", "[ ]"])
            .prop_map(str::to_owned),
        (0usize..3000).prop_map(long),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let member = (name.clone(), inner.clone()).prop_map(|(n, v)| format!("\"{n}\" :{v}"));
        prop_oneof![
            prop::collection::vec(member, 0..6).prop_map(|it| format!("{{{}}}", it.join(" ,"))),
            prop::collection::vec(inner, 0..6).prop_map(|it| format!("[{}]", it.join(", "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_shrunk_fits_is_one_line_of_json_and_is_marked(
        event in prop_oneof![any_json(), "\\PC{1,200}"],
        limit in 140usize..6000,
        envelope in any::<bool>(),
    ) {
        let rendered = if envelope { enveloped(&event) } else { event.clone() };
        let smaller = shrink(&rendered, limit).unwrap();
        prop_assert!(smaller.entry.len() <= limit);
        prop_assert!(!smaller.entry.contains('\n'));
        let is_json: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&smaller.entry);
        prop_assert!(is_json.is_ok(), "{}", smaller.entry);
        prop_assert!(!smaller.left_out.is_empty());
        let marked = smaller.entry.trim_end_matches('}');
        let hash = marks(envelope::halves(&rendered).map_or(rendered.as_str(), |it| it.1));
        prop_assert!(marked.ends_with(&hash), "{}", smaller.entry);
        // Our marks stand alone.
        prop_assert_eq!(smaller.entry.matches("\"_original_bytes\"").count(), 1);
    }
}
