//! A running service for a program that drives it: how `openapi/clients/story.sh` runs the generated clients.
//!
//! The program is told where the service is and two tokens of an org. As soon as its source shows the
//! check mark, the first token dies; only a program that rotates it sees polling go on.

#![expect(clippy::unwrap_used, reason = "what the test shares fails like a test")]

use std::time::Duration;

use okta_sim::{OrgConfig, Rate, RateLimits, Sim, SimConfig, TokenState};
use serde_json::Value;
use testkit::fleet::{Fleet, Program};
use testkit::postgres::TestDb;
use testkit::wait::until;
use tokio::process::Command;
use tokio::time::timeout;

const OLD: &str = "00old-token-of-the-story";
const NEW: &str = "00new-token-of-the-story";
/// Longest time for the whole story, a cold interpreter included.
const LIMIT: Duration = Duration::from_mins(2);

async fn org() -> Sim {
    let org = OrgConfig {
        tokens: vec![OLD.to_owned(), NEW.to_owned()],
        limits: RateLimits::half_of(12_000),
        rate: Some(Rate {
            per_second: 20,
            seed: 1,
        }),
        ..OrgConfig::default()
    };
    let config = SimConfig {
        org,
        ..SimConfig::default()
    };
    Sim::start(config).await.unwrap()
}

fn items(list: &Value) -> &Vec<Value> {
    list["items"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs generated clients; run openapi/clients/story.sh"]
async fn a_generated_client_tells_the_whole_story() {
    let story = std::env::var_os("STORY_COMMAND").expect("STORY_COMMAND is a shell command");
    let sim = org().await;
    let database = TestDb::empty().await;
    let program = Program::at(env!("CARGO_BIN_EXE_okta-collector"));
    let fleet = Fleet::start(&program, database.url(), &[]).await;
    let _worker = fleet.worker(&[]);

    let mut telling = Command::new("sh")
        .arg("-c")
        .arg(&story)
        .env("COLLECTOR_URL", fleet.url())
        .env("COLLECTOR_API_KEY", fleet.key())
        .env("OKTA_DOMAIN", sim.url())
        .env("OKTA_TOKEN", OLD)
        .env("OKTA_NEW_TOKEN", NEW)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let revoking = until("the source runs", LIMIT, async || {
        let sources = fleet.get("/v1/sources").await;
        let Some(id) = items(&sources).first().map(|source| &source["id"]) else {
            return false;
        };
        let status = format!("/v1/sources/{}/status", id.as_str().unwrap());
        let running = fleet.get(&status).await["running"] == true;
        if running {
            sim.org().set_token(OLD, TokenState::Revoked).unwrap();
        }
        running
    });
    let told = tokio::select! {
        told = timeout(LIMIT, telling.wait()) => told,
        () = revoking => timeout(LIMIT, telling.wait()).await,
    };

    let told = told.expect("the story ends in time").unwrap();
    assert!(told.success(), "{}: {told}", story.display());
    for path in [
        "/v1/sources",
        "/v1/routes",
        "/v1/destinations",
        "/v1/credentials",
    ] {
        let left = fleet.get(path).await;
        assert_eq!(items(&left).len(), 0, "{path}: {left}");
    }
    let delivered = std::fs::read(fleet.output("story.ndjson")).unwrap();
    assert!(!delivered.is_empty(), "nothing was delivered");
}
