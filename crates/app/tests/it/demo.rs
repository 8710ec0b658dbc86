//! The demo, whole: a private database, the simulated org over TCP, the API, a file at the end.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use testkit::process::{Process, Signal};

use crate::program::{Said, program, run};

const LIMIT: Duration = Duration::from_mins(1);

fn until_idle(events: &Path, output: &Path) -> Said {
    let mut command = program(&["demo", "--until-idle", "--events"]);
    run(command.arg(events).arg("--output").arg(output))
}

/// The lines of a file without those that repeat an earlier one, and how many did.
fn without_repeats(events: &[u8]) -> (Vec<u8>, usize) {
    let mut seen = HashSet::new();
    let lines: Vec<&[u8]> = events.split_inclusive(|byte| *byte == b'\n').collect();
    let kept: Vec<&[u8]> = lines
        .iter()
        .copied()
        .filter(|line| seen.insert(*line))
        .collect();
    (kept.concat(), lines.len() - kept.len())
}

/// Everything that is hard about events, one a line.
fn hostile() -> Vec<u8> {
    let uuid = |n: u32| format!("00000000-0000-11f0-8000-0000000{n:05x}");
    let event = |n: u32, rest: &str| {
        let published = format!("2026-03-01T00:00:{:02}.000Z", n % 60);
        format!(
            r#"{{"uuid":"{}","published":"{published}","eventType":"x.y"{rest}}}"#,
            uuid(n)
        )
    };
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let large = "d".repeat(200_000);
    let mut lines = vec![
        event(
            1,
            r#","actor":null,"client":{"geographicalContext":{"postalCode":94105,"city":null}}"#,
        ),
        event(2, r#","displayMessage":"a\nb\r\tc \\ \" \/ \u0000""#),
        event(3, ",\"displayMessage\":\"\u{2028}\u{2029} é 💣\""),
        event(4, r#","displayMessage":"\ud800 \udfff x \u2028""#),
        format!(
            "{{ \"uuid\" :\t\"{}\" , \"published\" : \"2026-03-01T00:00:05.000Z\" , \"a\" : [ ] }}",
            uuid(5)
        ),
        event(
            6,
            &format!(r#","debugContext":{{"debugData":{{"k":"{large}"}}}}"#),
        ),
        event(
            7,
            r#","a":1,"a":2,"uuid":"00000000-0000-11f0-8000-00000000ffff","eventType":"z""#,
        ),
        r#"{"uuid":7,"published":"2026-03-01T00:00:08.000Z"}"#.to_owned(),
        event(
            9,
            r#","n":1e400,"m":-0,"o":1E-9,"p":123456789012345678901234567890"#,
        ),
        event(10, &format!(r#","deep":{deep}"#)),
        r#"{"eventType":"neither.uuid.nor.published"}"#.to_owned(),
        format!(r#"{{"uuid":"{}"}}"#, uuid(12)),
        r#"{"published":"2026-03-01T00:00:13.000Z"}"#.to_owned(),
        format!(
            r#"{{"uuid":"{}","published":"2099-01-01T00:00:00.000Z"}}"#,
            uuid(14)
        ),
        event(15, r#","twice":"same bytes""#),
        event(15, r#","twice":"same bytes""#),
        event(16, r#","twice":"one""#),
        event(16, r#","twice":"other bytes""#),
        "{}".to_owned(),
        "{}".to_owned(),
        r#"{"published":"yesterday","uuid":""}"#.to_owned(),
        r#"{"uuid":null,"published":null}"#.to_owned(),
    ];
    lines.push(event(1, ""));
    let mut file = lines.join("\n").into_bytes();
    file.push(b'\n');
    file
}

#[test]
fn hostile_events_come_out_byte_for_byte_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let (events, output) = (
        folder.path().join("in.ndjson"),
        folder.path().join("out.ndjson"),
    );
    std::fs::write(&events, hostile()).unwrap();
    let (expected, repeats) = without_repeats(&hostile());
    let kept = expected.split_inclusive(|byte| *byte == b'\n').count();

    let said = until_idle(&events, &output);

    let line = format!(
        "published {} stored {kept} delivered {kept} duplicates {repeats}\n",
        kept + repeats
    );
    assert_eq!(
        (said.out.as_str(), said.code),
        (line.as_str(), Some(0)),
        "{}",
        said.err
    );
    assert!(
        std::fs::read(&output).unwrap() == expected,
        "the output is not the input"
    );
}

#[test]
fn events_of_a_real_org_come_out_byte_for_byte() {
    let Some(data) = testkit::data::test_data() else {
        return;
    };
    let events = data.join("okta/events/airbyte-source-okta-live-org.ndjson");
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.ndjson");

    let said = until_idle(&events, &output);

    assert_eq!(
        said.out, "published 26 stored 26 delivered 26 duplicates 0\n",
        "{}",
        said.err
    );
    assert_eq!(said.code, Some(0));
    assert!(std::fs::read(&output).unwrap() == std::fs::read(&events).unwrap());
}

#[test]
fn several_pages_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (events, output) = (
        folder.path().join("in.ndjson"),
        folder.path().join("out.ndjson"),
    );
    std::fs::write(&events, run(&mut program(&["sim", "--print", "3500"])).out).unwrap();

    let said = until_idle(&events, &output);

    assert_eq!(
        said.out, "published 3500 stored 3500 delivered 3500 duplicates 0\n",
        "{}",
        said.err
    );
    assert!(std::fs::read(&output).unwrap() == std::fs::read(&events).unwrap());
}

#[test]
fn a_file_that_is_not_empty_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (events, output) = (
        folder.path().join("in.ndjson"),
        folder.path().join("out.ndjson"),
    );
    std::fs::write(&events, "{}\n").unwrap();
    std::fs::write(&output, "mine").unwrap();

    let said = until_idle(&events, &output);

    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("it is not empty"), "{}", said.err);
    assert_eq!(std::fs::read(&output).unwrap(), b"mine");
}

#[test]
fn an_invalid_line_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let (events, output) = (
        folder.path().join("in.ndjson"),
        folder.path().join("out.ndjson"),
    );
    for (text, why) in [
        ("{}\nnot json\n", "line 2 is not one JSON object"),
        ("{}\n[]\n", "line 2 is not one JSON object"),
        ("{}\n\n{}\n", "line 2 is blank"),
        ("{}\r\n", "line 1 holds a carriage return"),
    ] {
        std::fs::write(&events, text).unwrap();
        let said = until_idle(&events, &output);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{text:?}");
        assert!(said.err.contains(why), "{text:?}: {}", said.err);
    }
}

#[tokio::test]
async fn a_live_demo_climbs_to_running_and_ends_in_order() {
    let mut demo = Process::start(program(&["demo", "--rate", "200"]).into());
    for part in [
        "  API       http://127.0.0.1:",
        "  output    ",
        "curl -H 'Authorization: Bearer okc_",
    ] {
        demo.wait_for_line(part, LIMIT).await;
    }
    let line = demo
        .wait_for_line("✔ running (polling running, delivery running)", LIMIT)
        .await;
    assert!(
        line.contains("poll in ") || line.contains("polling now"),
        "{line}"
    );

    demo.signal(Signal::INT);
    let status = demo.wait(LIMIT).await;

    assert_eq!(status.code(), Some(0), "{:#?}", demo.lines());
    demo.wait_for_line("removed: the private PostgreSQL", LIMIT)
        .await;
    let kept = demo.wait_for_line("kept: ", LIMIT).await;
    let output = Path::new(kept.trim_start_matches("kept: ").trim());
    assert!(std::fs::metadata(output).unwrap().len() > 0);
    std::fs::remove_dir_all(output.parent().unwrap()).unwrap();
}
