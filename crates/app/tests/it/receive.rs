//! `receive` as a person uses it: posts, counts, the file, the end.

use std::time::Duration;

use serde_json::Value;
use testkit::process::{Process, Signal};

use crate::program::{program, run};

const LIMIT: Duration = Duration::from_secs(30);
const TOKEN: &str = "6c1f5cb0-9f3a-4a4c-8d2b-2f2d1c9e7a55";
const LOG: &str = "f9c6e2c1-ac7a-4a29-8faa-a8d70f96df71";

async fn start(args: &[&str]) -> (Process, String) {
    let listen = ["receive", "--listen", "127.0.0.1:0"];
    let process = Process::start(program(&[&listen, args].concat()).into());
    let line = process.wait_for_line("listens on", LIMIT).await;
    let url = line.split(" on ").nth(1).unwrap().to_owned();
    (process, url)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(LIMIT).build().unwrap()
}

#[tokio::test]
async fn what_arrives_is_shown_counted_and_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let output = file.to_str().unwrap();
    let args = ["--token", TOKEN, "--path", "/events", "--output", output];
    let (mut process, url) = start(&args).await;
    let http = client();
    let health = run(&mut program(&["healthcheck", &format!("{url}/healthz")]));
    assert_eq!(health.code, Some(1));
    assert!(
        health.out.contains("no event has arrived yet"),
        "{}",
        health.out
    );

    let entry = format!("{url}/v1/noformat/{TOKEN}");
    for body in ["{\"a\":1}", "{\"a\":1}\n"] {
        let answer = http.post(&entry).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
    let array = http.post(format!("{url}/events")).body("[{\"b\":\n2},{}]");
    let array = array.header("content-type", "application/json");
    assert_eq!(array.send().await.unwrap().status(), 200);
    process
        .wait_for_line("events 4, distinct 3, repeats 1, requests 3", LIMIT)
        .await;

    let health = run(&mut program(&["healthcheck", &format!("{url}/healthz")]));
    assert_eq!(health.code, Some(0), "{}", health.out);
    let counts = http.get(format!("{url}/counts")).send().await.unwrap();
    let counts: Value = counts.json().await.unwrap();
    assert_eq!(counts["events"], 4);
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, "{\"a\":1}\n{\"a\":1}\n{\"b\": 2}\n{}\n");

    process.signal(Signal::TERM);
    assert!(process.wait(LIMIT).await.success());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_ends_it() {
    let (mut process, url) = start(&["--output", "/dev/full"]).await;
    let entry = format!("{url}/v1/noformat/{TOKEN}");
    let _answered_or_not = client().post(entry).body("{}").send().await;
    assert_eq!(process.wait(LIMIT).await.code(), Some(1));
    process
        .wait_for_line("cannot write to /dev/full", LIMIT)
        .await;
}

#[tokio::test]
async fn its_query_api_reads_with_the_key() {
    let args = ["--token", TOKEN, "--log-id", LOG, "--read-key", "hunter2"];
    let (process, url) = start(&args).await;
    let search = format!("{url}/query/logs/{LOG}?query=where(/x/)&from=0&to=9999999999999");
    for (key, status) in [("wrong", 403), ("hunter2", 202)] {
        let answer = client().get(&search).header("x-api-key", key).send().await;
        assert_eq!(answer.unwrap().status(), status);
    }
    assert!(!process.lines().concat().contains("hunter2"));
    let without_log = run(&mut program(&[
        "receive",
        "--listen",
        "127.0.0.1:0",
        "--read-key",
        "k",
    ]));
    assert_eq!(without_log.code, Some(2));
}
