//! The query API: a canary is found again, by those who may.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use receiver::{Fault, ReadBack, ReceiverConfig};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Ends, TOKEN, config, start};

const LOG: Uuid = Uuid::from_u128(0xf9c6_e2c1_ac7a_4a29_8faa_a8d7_0f96_df71);
const KEY: &str = "read-only";

async fn with_log(change: impl FnOnce(&mut ReadBack)) -> Ends {
    let mut log = ReadBack::new(LOG, KEY);
    change(&mut log);
    start(ReceiverConfig {
        read_back: Some(log),
        ..config()
    })
    .await
}

#[expect(clippy::disallowed_methods, reason = "a sender's clock")]
fn now_ms() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis()
}

impl Ends {
    async fn ask(&self, url: &str, key: Option<&str>) -> (u16, Value) {
        let mut request = self.http.get(url);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    fn search(&self, log: Uuid, statement: &str) -> String {
        let (from, to) = (now_ms() - 60_000, now_ms() + 60_000);
        let base = self.receiver.url();
        format!("{base}/query/logs/{log}?query={statement}&from={from}&to={to}")
    }

    /// Asks until the result is there; gives the messages found and the number of answers.
    async fn find(&self, statement: &str) -> (Vec<String>, usize) {
        let (status, mut answer) = self.ask(&self.search(LOG, statement), Some(KEY)).await;
        assert_eq!((status, &answer["progress"]), (202, &0.into()));
        let mut answers = 1;
        while answer.get("progress").is_some() {
            assert_eq!(answer["links"][0]["rel"], "Self");
            let link = answer["links"][0]["href"].as_str().unwrap().to_owned();
            let (status, next) = self.ask(&link, Some(KEY)).await;
            assert_eq!(status, 200, "{next}");
            (answer, answers) = (next, answers + 1);
        }
        let events = answer["events"].as_array().unwrap();
        let message = |event: &Value| event["message"].as_str().unwrap().to_owned();
        (events.iter().map(message).collect(), answers)
    }
}

#[tokio::test]
async fn an_entry_is_found_by_its_nonce_after_some_progress() {
    let ends = with_log(|log| log.progress_answers = 2).await;
    ends.take("{\"canary\":\"one-1\"}").await;
    ends.take("{\"canary\":\"two-2\"}").await;
    let (found, answers) = ends.find("where(/one-1/)").await;
    assert_eq!(found, ["{\"canary\":\"one-1\"}"]);
    assert_eq!(answers, 4);
    assert_eq!(ends.find("where(/three/)").await.0, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_wrong_token_brought_is_not_found() {
    let ends = with_log(|_| {}).await;
    ends.entry(Uuid::from_u128(7), "{\"canary\":\"nonce\"}")
        .await
        .unwrap();
    assert!(ends.find("where(/nonce/)").await.0.is_empty());
}

#[tokio::test]
async fn an_entry_is_found_only_some_time_after_it_arrived() {
    let ends = with_log(|log| log.searchable_after = Duration::from_hours(1)).await;
    ends.take("nonce").await;
    assert!(ends.find("where(/nonce/)").await.0.is_empty());
}

#[tokio::test]
async fn a_range_that_is_over_holds_nothing_new() {
    let ends = with_log(|log| log.progress_answers = 0).await;
    ends.take("nonce").await;
    let base = ends.receiver.url();
    let url = format!("{base}/query/logs/{LOG}?query=where(/nonce/)&from=1&to=2");
    let (_, answer) = ends.ask(&url, Some(KEY)).await;
    let link = answer["links"][0]["href"].as_str().unwrap();
    let (_, answer) = ends.ask(link, Some(KEY)).await;
    assert_eq!(answer["events"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn keys_logs_and_statements_are_checked() {
    let ends = with_log(|_| {}).await;
    let good = ends.search(LOG, "where(/nonce/)");
    let other = ends.search(Uuid::from_u128(7), "where(/nonce/)");
    let complex = ends.search(LOG, "where(a=b)%20calculate(count)");
    assert_eq!(ends.ask(&good, None).await.0, 401);
    assert_eq!(ends.ask(&good, Some("wrong")).await.0, 403);
    assert_eq!(ends.ask(&other, Some(KEY)).await.0, 404);
    assert_eq!(ends.ask(&complex, Some(KEY)).await.0, 400);
    let running = format!("{}/query/{LOG}-99", ends.receiver.url());
    assert_eq!(ends.ask(&running, Some(KEY)).await.0, 404);
    let none = start(config()).await;
    let (status, _) = none.get(&format!("/query/logs/{LOG}")).await;
    assert_eq!(status, 404, "no log, no query API");
}

#[tokio::test]
async fn the_query_api_has_faults_of_its_own() {
    let ends = with_log(|_| {}).await;
    let busy = Fault::too_many_requests(2).once().on_queries();
    ends.inbox().inject(busy);
    assert_eq!(ends.entry(TOKEN, "nonce").await.unwrap(), 204);
    let url = ends.search(LOG, "where(/nonce/)");
    let answer = ends.http.get(&url).header("x-api-key", KEY).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(ends.find("where(/nonce/)").await.0, ["nonce"]);
}
