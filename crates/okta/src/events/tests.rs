use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

mod speed;

const UUID: &str = "f1bb4a9f-54c8-11f0-9d6f-2d0c9e5a1d77";

fn cut(body: impl Into<Vec<u8>>) -> Events {
    Events::cut(body.into()).unwrap_or_else(|(flaw, body)| {
        panic!("{flaw} in {}", String::from_utf8_lossy(&body));
    })
}

fn flaw(body: impl Into<Vec<u8>>) -> Flaw {
    Events::cut(body.into()).unwrap_err().0
}

fn first(events: &Events) -> EventRef<'_> {
    events.get(0).unwrap()
}

fn ndjson(events: &Events) -> Vec<u8> {
    let mut out = Vec::new();
    events.write_ndjson(0..events.len(), &mut out);
    out
}

/// Objects that trip readers which know better than to pass things through.
fn hostile_events() -> Vec<Vec<u8>> {
    let long = "x".repeat(200_000);
    let deep = |levels| {
        format!(
            r#"{{"a":{}1{}}}"#,
            "[{\"b\":".repeat(levels),
            "}]".repeat(levels)
        )
    };
    let mut events: Vec<Vec<u8>> = [
        "{}",
        "{ }",
        r#"{"uuid":null,"published":null,"eventType":null,"outcome":null,"target":null}"#,
        r#"{"a":"line\nbreak\r\n\u000a\\n\/"}"#,
        "{\"a\":\"\u{2028}\u{2029}\u{feff}\u{7f}😀\"}",
        r#"{"a":"\ud83d","\udc00":"\udc00\ud83d"}"#,
        "{ \"a\" :\t[ 1 , 2 ] , \"b\" : { } }",
        r#"{"a":1,"a":2,"":3,"":{"uuid":"inner"}}"#,
        r#"{"uuid":7,"published":8,"eventType":[]}"#,
        r#"{"a":1e400,"b":-0.0E-999,"c":123456789012345678901234567890.10,"d":-0}"#,
        r#"{"published":"2099-01-01T00:00:00.000Z"}"#,
        r#"{"postalCode":94107,"zone":"null"}"#,
        r#"{"[{":"}]\"","x":"\\"}"#,
    ]
    .map(Vec::from)
    .into();
    events.push(b"{\"a\":\"\xff\xfe\xed\xa0\x80\xc0\"}".to_vec());
    events.push(format!(r#"{{"debugData":"{long}"}}"#).into_bytes());
    events.extend([30, 2500].map(|levels| deep(levels).into_bytes()));
    events
}

#[test]
fn hostile_events_come_out_byte_for_byte() {
    let events = hostile_events();
    for joint in [&b","[..], b" , ", b"\r\n,\n\t"] {
        let page = [b"[", events.join(joint).as_slice(), b"]"].concat();

        let cut = cut(page);

        assert!(
            cut.iter()
                .map(|e| e.raw().to_vec())
                .eq(events.iter().cloned())
        );
        assert_eq!(ndjson(&cut), [events.join(&b'\n'), b"\n".to_vec()].concat());
    }
}

#[test]
fn line_breaks_between_tokens_become_blanks_and_nothing_else_changes() {
    let events = cut("\n[\r\n{\r\n\t\"uuid\" :\n\"\\n\" ,\"b\":[\n1\r]\n}\n,\n{}\n]\r\n");

    assert_eq!(
        first(&events).raw(),
        b"{  \t\"uuid\" : \"\\n\" ,\"b\":[ 1 ] }"
    );
    assert_eq!(first(&events).uuid().as_deref(), Some("\n"));
    assert_eq!(events.len(), 2);
}

#[test]
fn the_three_fields_are_read_at_the_top_level_only() {
    let table = [
        (format!(r#"{{"uuid":"{UUID}"}}"#), Some(UUID)),
        (
            format!(r#"{{"a":{{"uuid":"x"}},"uuid" : "{UUID}"}}"#),
            Some(UUID),
        ),
        (format!(r#"{{"uuid":"x","uuid":"{UUID}"}}"#), Some(UUID)),
        (
            format!(r#"{{"\u0075u\u0069d":"{}"}}"#, UUID.replace('-', r"\u002d")),
            Some(UUID),
        ),
        (r#"{"uuid":"x","uuid":7}"#.to_owned(), None),
        (r#"{"uuid":"x","\u0075uid":{"uuid":"y"}}"#.to_owned(), None),
        (r#"{"uuid":7}"#.to_owned(), None),
        (r#"{"uuid":["x"],"UUID":"x","uuid ":"x"}"#.to_owned(), None),
        (r#"{"a":[{"uuid":"x"}]}"#.to_owned(), None),
        (r#"{"uuid":""}"#.to_owned(), Some("")),
    ];
    for (event, uuid) in table {
        assert_eq!(
            first(&cut(format!("[{event}]"))).uuid().as_deref(),
            uuid,
            "{event}"
        );
    }

    let events = cut(
        r#"[{"eventType":"user.session\u002estart","published":"2026-01-02T03:04:05.678Z"},
            {"eventType":false,"published":"2026-02-30T00:00:00.000Z"},
            {"published":"2026-01-02T03:04:05.678Z","published":"soon"}]"#,
    );
    let fields: Vec<_> = events
        .iter()
        .map(|e| (e.event_type(), e.published()))
        .collect();
    assert_eq!(fields[0].0.as_deref(), Some("user.session.start"));
    assert_eq!(
        fields[0].1.map(|t| t.timestamp_millis()),
        Some(1_767_323_045_678)
    );
    assert_eq!(fields[1..], [(None, None), (None, None)]);
}

#[test]
fn identity_is_the_uuid_else_its_text_else_the_bytes() {
    let identity = |event: &str| first(&cut(format!("[{event}]"))).identity();
    let by_uuid = identity(&format!(r#"{{"uuid":"{UUID}"}}"#));

    assert_eq!(by_uuid[..4], [0xf1, 0xbb, 0x4a, 0x9f]);
    assert_eq!(
        by_uuid,
        identity(&format!(r#"{{"a":1,"uuid":"{}"}}"#, UUID.to_uppercase()))
    );
    assert_eq!(
        identity(r#"{"uuid":"abc"}"#),
        identity(r#"{"uuid":"\u0061bc","a":1}"#)
    );
    assert_ne!(identity(r#"{"uuid":"abc"}"#), identity(r#"{"uuid":"abd"}"#));
    assert_ne!(identity(r#"{"uuid":7}"#), identity(r#"{"uuid":8}"#));
    assert_eq!(identity(r#"{"uuid":7}"#), identity(r#"{"uuid":7}"#));
}

#[test]
fn content_tells_equal_bytes_from_others() {
    let events = cut(r#"[{"a":1},{"a":1},{"a": 1}]"#);
    let content: Vec<_> = events.iter().map(|e| e.content()).collect();

    assert_eq!(content[0], content[1]);
    assert_ne!(content[0], content[2]);
}

#[test]
fn a_range_of_events_is_written_one_per_line() {
    let events = cut(r#"[{"a":1},{"a":2},{"a":3}]"#);
    let write = |range| {
        let mut out = b"before\n".to_vec();
        events.write_ndjson(range, &mut out);
        String::from_utf8(out).unwrap()
    };

    assert_eq!(write(1..3), "before\n{\"a\":2}\n{\"a\":3}\n");
    assert_eq!(write(2..9), "before\n{\"a\":3}\n");
    assert_eq!(write(3..4), "before\n");
}

#[test]
fn an_empty_page_has_no_events() {
    for body in ["[]", " [ \n] "] {
        assert!(cut(body).is_empty());
    }
}

#[test]
fn pages_with_a_flaw_are_refused_with_its_place_and_their_body() {
    let table: [(&[u8], usize); 36] = [
        (b"", 0),
        (b"null", 0),
        (b"{}", 0),
        (b"\xef\xbb\xbf[]", 0),
        (b"[1]", 1),
        (b"[[]]", 1),
        (b"[\"{}\"]", 1),
        (b"[null]", 1),
        (b"[{},]", 4),
        (b"[,{}]", 1),
        (b"[{}{}]", 3),
        (b"[{}] x", 5),
        (b"[{}]]", 4),
        (b"[{}]\0", 4),
        (b"[{,}]", 2),
        (b"[{\"a\"}]", 5),
        (b"[{\"a\":}]", 6),
        (b"[{\"a\":1,}]", 8),
        (b"[{a:1}]", 2),
        (b"[{'a':1}]", 2),
        (b"[{\"a\":1 \"b\":2}]", 8),
        (b"[{\"a\":[1,]}]", 9),
        (b"[{\"a\":[1}]", 8),
        (b"[{\"a\":{\"b\":1]}", 12),
        (b"[{\"a\":\"x\ny\"}]", 8),
        (b"[{\"a\":\"x\x1fy\"}]", 8),
        (b"[{\"a\":\"\\x\"}]", 8),
        (b"[{\"a\":\"\\u12g4\"}]", 11),
        (b"[{\"a\":01}]", 7),
        (b"[{\"a\":+1}]", 6),
        (b"[{\"a\":1.}]", 8),
        (b"[{\"a\":.5}]", 6),
        (b"[{\"a\":1e}]", 8),
        (b"[{\"a\":-}]", 7),
        (b"[{\"a\":nul}]", 6),
        (b"[{\"a\":NaN}]", 6),
    ];
    for (body, at) in table {
        let (flaw, back) = Events::cut(body.to_vec()).unwrap_err();
        assert_eq!(flaw.at, at, "{}: {flaw}", String::from_utf8_lossy(body));
        assert_eq!(back, body);
    }
    let (_, back) = Events::cut(b"[{\n},\n{\r]".to_vec()).unwrap_err();
    assert_eq!(back, b"[{\n},\n{\r]");
}

#[test]
fn a_page_cut_short_at_any_byte_is_refused() {
    let mut page = String::from("[");
    write!(
        page,
        r#"{{"uuid":"{UUID}","a":[1.5e3,true,null,{{"b":"\u00e9\n"}}]}},"#
    )
    .unwrap();
    page.push_str(r#"{"published":"2026-01-02T03:04:05.678Z","c":-12}]"#);

    assert_eq!(cut(page.clone()).len(), 2);
    for end in 0..page.len() {
        assert!(flaw(page.as_bytes()[..end].to_vec()).at <= end);
    }
}

#[test]
fn nesting_is_bounded_by_a_count_not_by_the_stack() {
    let nested =
        |levels: usize| format!(r#"[{{"a":{}{}}}]"#, "[".repeat(levels), "]".repeat(levels));

    assert_eq!(cut(nested(65_537)).len(), 1);
    assert_eq!(flaw(nested(65_538)).expected, "no deeper nesting");
    assert_eq!(
        flaw(format!("[{{\"a\":{}", "[".repeat(5_000_000))).expected,
        "no deeper nesting"
    );
}

fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![".{0,12}", "[a-z\"\\\\\u{0}-\u{1f}]{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((".{0,8}", inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn objects() -> impl Strategy<Value = Vec<Value>> {
    vec(
        vec(("uuid|published|eventType|[a-z]{0,6}", json()), 0..6),
        0..6,
    )
    .prop_map(|events| {
        events
            .into_iter()
            .map(|fields| fields.into_iter().collect())
            .collect()
    })
}

const BLANKS: &str = "[ \t\r\n]{0,4}";

proptest! {
    #[test]
    fn a_page_cuts_back_into_the_objects_it_was_made_of(
        objects in objects(), pretty in any::<bool>(), blanks in vec(BLANKS, 14),
    ) {
        let print = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let printed: Vec<String> = objects.iter().map(|o| print(o).unwrap()).collect();
        let mut page = format!("{}[", blanks[0]);
        for (i, object) in printed.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(page, "{comma}{}{object}{}", blanks[i + 1], blanks[i + 7]).unwrap();
        }
        page.push_str("]\n");

        let events = cut(page);

        let lines: Vec<String> = printed.iter().map(|o| o.replace(['\r', '\n'], " ")).collect();
        prop_assert!(events.iter().map(|e| e.raw()).eq(lines.iter().map(String::as_bytes)));
        for (event, object) in events.iter().zip(&objects) {
            prop_assert!(event.uuid().as_deref() == object["uuid"].as_str());
            prop_assert!(event.event_type().as_deref() == object["eventType"].as_str());
        }
    }

    /// serde_json agrees on every page of objects, also on lone surrogates, which it does not decode in
    /// a `RawValue`; it knows no limit of depth there, and these pages do not reach ours.
    #[test]
    fn it_accepts_what_serde_json_accepts(
        objects in objects(), edits in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..3), 0..4),
    ) {
        const BYTES: &[u8] = b"[]{}:,\"\\/ \n\r\t0123456789+-.eEtrufalsn\x00\x1f\x7fx";
        let mut page = serde_json::to_vec(&objects).unwrap();
        for (at, byte, kind) in edits {
            let (at, byte) = (at.index(page.len()), BYTES[byte.index(BYTES.len())]);
            match kind {
                0 => page[at] = byte,
                1 => page.insert(at, byte),
                _ if page.len() > 1 => _ = page.remove(at),
                _ => {}
            }
        }
        // An edit may split a character of several bytes; that difference is ours by design.
        prop_assume!(std::str::from_utf8(&page).is_ok());

        let theirs = serde_json::from_slice::<Vec<Box<RawValue>>>(&page)
            .ok()
            .filter(|events| events.iter().all(|event| event.get().starts_with('{')));
        let ours = Events::cut(page.clone());

        prop_assert_eq!(ours.is_ok(), theirs.is_some(), "{}", String::from_utf8_lossy(&page));
        if let (Ok(ours), Some(theirs)) = (ours, theirs) {
            let lines: Vec<String> = theirs.iter().map(|e| e.get().replace(['\r', '\n'], " ")).collect();
            prop_assert!(ours.iter().map(|e| e.raw()).eq(lines.iter().map(String::as_bytes)));
        }
    }

    #[test]
    fn any_bytes_are_cut_or_refused_without_panic(body in vec(any::<u8>(), 0..64)) {
        let page = [b"[{\"uuid\":\"", body.as_slice(), b"\"}]"].concat();
        for body in [body, page] {
            if let Ok(events) = Events::cut(body) {
                for event in events.iter() {
                    prop_assert!(!event.raw().contains(&b'\n'));
                    event.identity();
                }
            }
        }
    }
}
