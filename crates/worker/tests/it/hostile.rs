//! Events that are valid JSON and otherwise as odd as can be: byte for byte, in order, once.

use okta_sim::Fault;

use crate::house::{House, assert_same, event};

/// The events, and the place of the one dated 2099.
fn events() -> (Vec<Vec<u8>>, usize) {
    let of = |n: u32, rest: &str| {
        let uuid = format!("7f3f1e0a-0000-1000-8000-{n:012}");
        format!(
            r#"{{"uuid":"{uuid}","published":"2026-11-20T10:{:02}:00.000Z",{rest}}}"#,
            n % 60
        )
        .into_bytes()
    };
    let deep = format!(r#""deep":{}1{}"#, "[".repeat(60), "]".repeat(60));
    let large = format!(
        r#""debugContext":{{"debugData":{{"x":"{}"}}}}"#,
        "y".repeat(200_000)
    );
    let same = event(
        "7f3f1e0a-0000-1000-8000-000000000777",
        "2026-11-20T10:30:00Z",
        1,
    );
    let other = event(
        "7f3f1e0a-0000-1000-8000-000000000777",
        "2026-11-20T10:30:00Z",
        2,
    );
    let undated = br#"{"uuid":"7f3f1e0a-0000-1000-8000-000000000888","eventType":"x"}"#.to_vec();
    let nameless = br#"{"eventType":"nobody"}"#.to_vec();
    // Bytes that are no UTF-8, inside a string.
    let invalid = [
        &b"{\"uuid\":\"20\",\"x\":\""[..],
        b"\xff\xc3(\xed\xa0\x80",
        b"\"}",
    ]
    .concat();
    let events = vec![
        of(1, r#""outcome":null,"target":null,"actor":{"id":null}"#),
        of(
            2,
            r#""client":{"geographicalContext":{"postalCode":12345}}"#,
        ),
        of(3, r#""displayMessage":"two\nlines\r\n\u0000""#),
        of(4, "\"displayMessage\":\"a\u{2028}b\u{2029}c\""),
        of(5, r#""displayMessage":"\ud800 and \udfff""#),
        of(6, "\"a\" : [ 1 ,\t2 ] , \"b\" :  { }  "),
        of(7, &large),
        of(8, r#""x":1,"x":2,"published":"2026-11-20T10:08:30Z""#),
        of(9, r#""uuid":"7f3f1e0a-0000-1000-8000-00000000ffff""#),
        br#"{"uuid":7,"published":"2026-11-20T10:10:00Z","eventType":"number"}"#.to_vec(),
        of(
            11,
            r#""n":1e400,"m":-0.0,"k":123456789012345678901234567890"#,
        ),
        of(12, &deep),
        undated.clone(),
        nameless.clone(),
        br#"{"published":"2026-11-20T10:14:00Z"}"#.to_vec(),
        br#"{"uuid":null,"published":null}"#.to_vec(),
        br#"{"uuid":"not one","published":"yesterday"}"#.to_vec(),
        b"{}".to_vec(),
        event(
            "7f3f1e0a-0000-1000-8000-000000002099",
            "2099-12-31T23:59:59.999Z",
            0,
        ),
        same.clone(),
        invalid,
        same.clone(),
        other.clone(),
        other,
        undated,
        nameless,
        of(26, r#""late":true"#),
        event(
            "7f3f1e0a-0000-1000-8000-000000001970",
            "1970-01-01T00:00:00Z",
            0,
        ),
        same,
    ];
    let place = events
        .iter()
        .position(|event| event.windows(4).any(|part| part == b"2099"));
    (events, place.expect("an event of 2099"))
}

fn distinct(events: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seen = std::collections::HashSet::new();
    events
        .iter()
        .filter(|event| seen.insert((*event).clone()))
        .cloned()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_events_pass_byte_for_byte_in_order_and_once() {
    let house = House::new().await;
    let (events, _) = events();
    house.persist(&events);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;

    let expected = distinct(&events);
    assert_same(&house.lines("out.ndjson"), &expected);
    let repeats = events.len() - expected.len();
    assert_eq!(u64::try_from(repeats).unwrap(), house.org().repeat_count());
    let sums = house.ledger(source).await;
    let count = |n: usize| i64::try_from(n).unwrap();
    assert_eq!(
        (sums.stored, sums.delivered, sums.duplicate, sums.reread),
        (
            count(expected.len()),
            count(expected.len()),
            count(repeats),
            0
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_refused_behind_the_event_of_2099_loses_and_repeats_nothing() {
    const AT_ONCE: usize = 4;
    let house = House::new().await;
    let (events, ahead) = events();
    house.persist(&events);
    let (source, route) = house.parked().await;
    house
        .org()
        .inject(Fault::ShortPage(AT_ONCE).until_cleared());
    house
        .org()
        .inject(Fault::RefusedCursor.once().cursor_past(ahead));
    let worker = house.start();
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;

    assert_eq!(house.org().pending_faults(), 1, "the cursor was refused");
    let expected = distinct(&events);
    assert_same(&house.lines("out.ndjson"), &expected);
    let count = |n: usize| i64::try_from(n).unwrap();
    let read_again = (ahead / AT_ONCE + 1) * AT_ONCE;
    let sums = house.ledger(source).await;
    assert_eq!(
        (sums.stored, sums.delivered, sums.duplicate, sums.reread),
        (
            count(expected.len()),
            count(expected.len()),
            count(events.len() - expected.len()),
            count(read_again)
        )
    );
    assert_eq!(house.log(source).await.fallbacks, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn line_breaks_between_tokens_become_blanks_and_nothing_else_changes() {
    let house = House::new().await;
    house.persist(&["{\"uuid\":\r\n\"a\",\n\t\"b\":\"\\n\"}", "{\n}"]);
    let (source, route) = house.parked().await;
    let worker = house.start();
    house.poll(source).await;
    house.deliver(route).await;
    worker.stop().await;
    let lines = house.lines("out.ndjson");
    assert_eq!(
        lines,
        [
            b"{\"uuid\":  \"a\", \t\"b\":\"\\n\"}".to_vec(),
            b"{ }".to_vec()
        ]
    );
}
