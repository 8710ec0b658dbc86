//! Recorded events and answers, where they are at hand.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use okta::{Events, OktaError};
use serde_json::Value;

use crate::support::{TestOrg, answer, fetch};

fn data(below: &str) -> Option<PathBuf> {
    if let Some(root) = env::var_os("COLLECTOR_TEST_DATA") {
        return Some(Path::new(&root).join(below));
    }
    eprintln!("skipped: COLLECTOR_TEST_DATA is not set");
    None
}

#[test]
fn real_events_come_out_byte_for_byte() {
    let Some(folder) = data("okta/events") else {
        return;
    };
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap();
        let page = format!("[{}]", lines.lines().collect::<Vec<_>>().join(", "));

        let events = Events::cut(page.into_bytes()).unwrap();

        let mut out = Vec::new();
        events.write_ndjson(0..events.len(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap().trim_end(),
            lines.trim_end(),
            "{}",
            path.display()
        );
        for (event, line) in events.iter().zip(lines.lines()) {
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event.uuid().as_deref(), value["uuid"].as_str());
            assert_eq!(event.event_type().as_deref(), value["eventType"].as_str());
        }
    }
}

/// Plays a recorded answer back; framing and encoding are ours.
async fn play(file: PathBuf) -> OktaError {
    let recorded: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let response = &recorded["response"];
    let headers = response["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|header| {
            let (name, value) = (header[0].as_str()?, header[1].as_str()?);
            let framing = [
                "content-length",
                "transfer-encoding",
                "content-encoding",
                "connection",
            ];
            let ours = framing.contains(&name.to_ascii_lowercase().as_str());
            (!ours).then(|| format!("{name}: {value}"))
        });
    let headers: Vec<String> = headers.collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
    let say = answer(status, &headers, response["body"].to_string().as_bytes());
    fetch(&TestOrg::saying(say).await).await.unwrap_err().error
}

#[tokio::test]
async fn recorded_refusals_have_their_meaning() {
    let Some(folder) = data("okta/recorded") else {
        return;
    };
    let reset = OktaError::RateLimited {
        resets_in: Some(Duration::from_secs(48)),
    };
    assert_eq!(
        play(folder.join("429-rate-limit-agentpools.json")).await,
        reset
    );
    let table = [
        ("400-validation-E0000001.json", "bad_request"),
        ("401-E0000004.json", "bad_token"),
        ("401-E0000015-feature-off.json", "feature_off"),
        ("403-E0000056.json", "forbidden"),
        ("404-no-body-code.json", "not_found"),
        ("405-E0000022.json", "unexpected_answer"),
        ("tf-500-E0000009.json", "server_error"),
    ];
    for (file, code) in table {
        assert_eq!(play(folder.join(file)).await.code(), code, "{file}");
    }
}
