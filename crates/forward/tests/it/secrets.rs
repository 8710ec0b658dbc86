//! Secrets of destinations are seen by the far end only.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::insightops::{TOKEN, log_at};
use crate::server::{Reply, Server};
use crate::web::{deliver, numbered, open_with, registry};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Logged {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

const KEY: &str = "canary-read-key-7d1f";
const BEARER: &str = "canary-bearer-93ab";

/// Tries each destination with everything it can do against a server that answers with what it was sent,
/// and gives all that was said and logged meanwhile.
async fn everything_told() -> (String, usize) {
    let mut told = Vec::new();
    let mut echoed = 0;
    let registry = registry("127.0.0.1");
    for fault in [200, 301, 400, 404, 413, 429, 503] {
        let server = Server::replying(move |_, request| {
            Reply::Answer(fault, String::new(), format!("cannot {request:?}"))
        })
        .await;
        let mut log = log_at(&server.url());
        log["query_url"] = json!(server.url());
        log["log_id"] = json!("0b5e7d9c-54c8-4f20-9d6f-2d0c9e5a1d77");
        log["read_key"] = json!(KEY);
        let headers = json!([{"name": "Authorization", "value": format!("Bearer {BEARER}")}]);
        let hook = |body| json!({"url": server.url(), "headers": headers, "body": body});
        let kinds: [(&str, Value); 4] = [
            ("insightops", log),
            ("webhook", hook("ndjson")),
            ("webhook", hook("json_array")),
            ("webhook", hook("single")),
        ];
        for (kind, settings) in kinds {
            let destination = open_with(&registry, kind, &settings);
            told.push(format!("{destination:?} {registry:?}"));
            told.push(format!("{:?}", deliver(&destination, numbered(1)).await));
            told.push(format!(
                "{:?}",
                destination
                    .test("nonce", chrono::DateTime::UNIX_EPOCH)
                    .await
            ));
        }
        let seen = format!("{:?}", server.requests());
        assert!(seen.contains(TOKEN) && seen.contains(BEARER));
        echoed += server.requests().len();
        // Nobody there any more.
        let settings = log_at(&server.url());
        drop(server);
        let gone = open_with(&registry, "insightops", &settings);
        told.push(format!("{:?}", deliver(&gone, numbered(1)).await));
    }
    (told.concat(), echoed)
}

#[tokio::test]
async fn no_secret_is_told_shown_or_logged() {
    let logged = Logged::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(logged.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("logs are seen");

    let (told, echoed) = everything_told().await;

    drop(guard);
    let logged = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("logs are seen"));
    assert!(echoed > 0 && told.contains("[secret]"), "{told}");
    for secret in [TOKEN, KEY, BEARER] {
        assert!(!told.contains(secret), "{told}");
        assert!(!logged.contains(secret), "{logged}");
    }
}
