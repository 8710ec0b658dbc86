//! Events in and out: what is taken in, and that it comes out byte for byte.

use std::io::Cursor;

use okta_sim::{Events, EventsError};

use crate::support::{Fixture, data};

/// Odd, and valid.
fn hostile() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = [
        r"{}",
        r#"{ "a" : [ 1 , 2 ] , "b" :	null }"#,
        r#"{"a":1,"a":2,"uuid":"x","uuid":"y"}"#,
        r#"{"uuid":7,"n":1e400,"m":-0.0E-999}"#,
        r#"{"lone":"\ud800","line":"a\nb","separator":"\u2028"}"#,
        "{\"separator\":\"\u{2028}\u{2029}\",\"del\":\"\u{7f}\"}",
        r#"{"published":"2099-01-01T00:00:00.000Z","nul":"\u0000"}"#,
        r#"{"a":true,"b":false,"c":null,"d":{},"e":[],"f":[[],{}]}"#,
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec();
    lines.push(b"{\"broken\":\"\xff\xfe\x80\",\"\xc3\":1}".to_vec());
    lines.push(format!(r#"{{"deep":{}{}}}"#, "[".repeat(60), "]".repeat(60)).into_bytes());
    lines.push(
        format!(
            r#"{{"deeper":{}1{}}}"#,
            "{\"a\":".repeat(5000),
            "}".repeat(5000)
        )
        .into_bytes(),
    );
    lines.push(format!(r#"{{"large":"{}"}}"#, "x".repeat(200_000)).into_bytes());
    lines
}

fn ndjson(lines: &[Vec<u8>]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| [line, b"\n".as_slice()].concat())
        .collect()
}

#[tokio::test]
async fn hostile_events_come_out_byte_for_byte() {
    let sim = Fixture::start().await;
    let lines = hostile();

    sim.org()
        .persist(Events::read_ndjson(Cursor::new(ndjson(&lines))).unwrap());
    let page = sim.get("/api/v1/logs").await;

    let expected = [b"[".as_slice(), &lines.join(b",".as_slice()), b"]"].concat();
    assert!(page.body == expected, "the page differs from its events");
}

#[tokio::test]
async fn real_events_come_out_byte_for_byte() {
    let Some(folder) = data() else { return };
    for entry in std::fs::read_dir(folder.join("okta/events")).unwrap() {
        let path = entry.unwrap().path();
        let file = std::fs::read(&path).unwrap();
        let sim = Fixture::start().await;

        sim.org().persist_file(&path).unwrap();
        let page = sim.get("/api/v1/logs?limit=1000").await;

        let events = String::from_utf8(file)
            .unwrap()
            .trim_end()
            .replace('\n', ",");
        assert_eq!(page.text(), format!("[{events}]"), "{}", path.display());
    }
}

#[test]
fn a_last_line_may_lack_its_line_feed() {
    for text in ["{}\n{\"a\":1}\n", "{}\n{\"a\":1}"] {
        assert_eq!(Events::read_ndjson(Cursor::new(text)).unwrap().len(), 2);
    }
    assert!(Events::read_ndjson(Cursor::new("")).unwrap().is_empty());
}

#[test]
fn an_invalid_line_is_refused_by_its_number_and_place() {
    let cases: [(&[u8], &str); 25] = [
        (
            b"[]",
            "line 3 is not one JSON object: not a JSON object: no opening brace at byte 1",
        ),
        (b"7", "no opening brace at byte 1"),
        (b"\xef\xbb\xbf{}", "no opening brace at byte 1"),
        (b" {}", "a blank before the object at byte 1"),
        (b"{} ", "something follows the object at byte 3"),
        (b"{}{}", "something follows the object at byte 3"),
        (b"{\"a\":1", "the object is not finished at byte 7"),
        (b"{", "the object is not finished at byte 2"),
        (b"{\"a\":\"x", "a string is not finished at byte 8"),
        (b"{\"a\"}", "a colon was expected at byte 5"),
        (b"{a:1}", "a key was expected at byte 2"),
        (b"{\"a\":1,}", "a key was expected at byte 8"),
        (b"{\"a\":[1,]}", "a value was expected at byte 9"),
        (b"{\"a\":}", "a value was expected at byte 6"),
        (
            b"{\"a\":[1 2]}",
            "a comma or a closing bracket was expected at byte 9",
        ),
        (
            b"{\"a\":[1}",
            "a comma or a closing bracket was expected at byte 8",
        ),
        (
            b"{\"a\":01}",
            "a comma or a closing bracket was expected at byte 7",
        ),
        (b"{\"a\":1.}", "a digit was expected at byte 8"),
        (b"{\"a\":-}", "a digit was expected at byte 7"),
        (b"{\"a\":1e}", "a digit was expected at byte 8"),
        (b"{\"a\":nul}", "a value was expected at byte 6"),
        (b"{\"a\":NaN}", "a value was expected at byte 6"),
        (
            b"{\"a\":\"\t\"}",
            "a raw control character inside a string at byte 7",
        ),
        (b"{\"a\":\"\\x\"}", "an unknown escape at byte 7"),
        (
            b"{\"a\":\"\\u12g4\"}",
            "an escape without four hexadecimal digits at byte 7",
        ),
    ];
    for (line, message) in cases {
        let file = ndjson(&[
            b"{}".to_vec(),
            b"{\"a\":1}".to_vec(),
            line.to_vec(),
            b"{}".to_vec(),
        ]);
        let error = Events::read_ndjson(Cursor::new(file)).unwrap_err();
        assert!(
            matches!(error, EventsError::Invalid { line: 3, .. }),
            "{error:?}"
        );
        assert!(error.to_string().ends_with(message), "{error} for {line:?}");
    }
}

#[test]
fn blank_lines_and_carriage_returns_are_refused() {
    for (file, message) in [
        (
            "{}\n\n{}\n",
            "line 2 is blank: every line must hold one JSON object",
        ),
        (
            "{}\n{}\n  \n",
            "line 3 is blank: every line must hold one JSON object",
        ),
        (
            "{}\r\n",
            "line 1 holds a carriage return: lines end in LF alone",
        ),
        (
            "{}\n{\r}\n",
            "line 2 holds a carriage return: lines end in LF alone",
        ),
    ] {
        let error = Events::read_ndjson(Cursor::new(file)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[tokio::test]
async fn an_invalid_file_leaves_the_log_as_it_was() {
    let sim = Fixture::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{}\n{}\noops\n").unwrap();

    assert!(sim.org().persist_file(file.path()).is_err());
    assert!(sim.org().persist_file("no/such/file").is_err());
    assert_eq!(sim.org().published_count(), 0);
}

#[tokio::test]
async fn repeats_are_counted_byte_for_byte() {
    let sim = Fixture::start().await;
    let lines = [
        r#"{"uuid":"1"}"#,
        r#"{"uuid":"1"}"#,
        r#"{"uuid": "1"}"#,
        r#"{"uuid":"2"}"#,
    ];
    sim.org().persist(Events::from_lines(lines).unwrap());
    sim.org()
        .persist(Events::from_lines([r#"{"uuid":"2"}"#, r#"{"uuid":"1"}"#]).unwrap());

    assert_eq!(
        (sim.org().published_count(), sim.org().repeat_count()),
        (6, 3)
    );
}

#[tokio::test]
async fn events_larger_than_a_chunk_and_many_chunks_keep_their_order() {
    let sim = Fixture::start().await;
    let filler = "x".repeat(3 << 20);
    let lines: Vec<_> = (0..8)
        .map(|n| format!(r#"{{"n":{n},"x":"{filler}"}}"#))
        .collect();
    sim.org().persist(Events::from_lines(&lines).unwrap());
    sim.persist(8, 1);

    for limit in [1, 9] {
        let numbers = sim
            .walk(&format!("/api/v1/logs?limit={limit}"))
            .await
            .concat();
        assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    }
}
