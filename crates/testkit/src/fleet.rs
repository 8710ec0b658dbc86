//! A fleet: the real program as several processes on one database, driven over its HTTP API.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::Process;
use crate::wait;

/// How long the API may take to come up.
const UP: Duration = Duration::from_secs(30);

/// How to run the program: a path, and arguments before its own.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Arguments that make it the program; none for the real one.
    pub prefix: Vec<String>,
}

impl Program {
    /// The executable itself.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            prefix: Vec::new(),
        }
    }
}

/// One installation: a migrated database, an API process, an admin's key.
#[derive(Debug)]
pub struct Fleet {
    program: Program,
    settings: Vec<(String, String)>,
    files: tempfile::TempDir,
    _api: Process,
    base: String,
    key: String,
    http: reqwest::Client,
}

impl Fleet {
    /// Migrates the database, makes an admin's key and starts the API.
    ///
    /// `settings` are added to those that every process gets: database, sealing key, file root, and
    /// loopback as an allowed host.
    ///
    /// # Panics
    /// If a command fails or the API does not come up.
    pub async fn start(program: &Program, database_url: &str, settings: &[(&str, &str)]) -> Self {
        let files = tempfile::tempdir().expect("a folder for output files");
        let port = free_port();
        let keys = run(program, &[], &["sealing", "keygen"]).await;
        let mut all = vec![
            ("COLLECTOR_DATABASE_URL".to_owned(), database_url.to_owned()),
            ("COLLECTOR_SEALING_KEYS".to_owned(), keys),
            (
                "COLLECTOR_FILE_ROOT".to_owned(),
                files.path().display().to_string(),
            ),
            (
                "COLLECTOR_ALLOW_HOSTS".to_owned(),
                "127.0.0.1/32".to_owned(),
            ),
            (
                "COLLECTOR_API_LISTEN".to_owned(),
                format!("127.0.0.1:{port}"),
            ),
            ("COLLECTOR_WORKER_LISTEN".to_owned(), String::new()),
        ];
        all.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        run(program, &all, &["migrate"]).await;
        let key = run(
            program,
            &all,
            &[
                "keys", "create", "--tenant", "acme", "--role", "admin", "--name", "test",
            ],
        )
        .await;
        let api = Process::start(command(program, &all, &["api"]));
        let http = reqwest::Client::builder()
            .timeout(UP)
            .build()
            .expect("an HTTP client");
        let fleet = Self {
            program: program.clone(),
            settings: all,
            files,
            _api: api,
            base: format!("http://127.0.0.1:{port}"),
            key,
            http,
        };
        wait::until("the API is ready", UP, async || {
            let answer = fleet
                .http
                .get(format!("{}/readyz", fleet.base))
                .send()
                .await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        fleet
    }

    /// Returns the URL of the API.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns the admin's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Starts a worker with further settings.
    pub fn worker(&self, settings: &[(&str, &str)]) -> Process {
        let mut all = self.settings.clone();
        all.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Process::start(command(&self.program, &all, &["worker"]))
    }

    /// Posts to the API and returns the answer.
    ///
    /// # Panics
    /// If the API refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .bearer_auth(&self.key)
            .json(body);
        answer(path, request).await
    }

    /// Gets from the API.
    ///
    /// # Panics
    /// If the API refuses.
    pub async fn get(&self, path: &str) -> Value {
        answer(
            path,
            self.http
                .get(format!("{}{path}", self.base))
                .bearer_auth(&self.key),
        )
        .await
    }

    /// Makes a file destination.
    pub async fn file(&self, name: &str) -> String {
        let body = json!({ "name": name, "kind": "file", "file": { "path": name } });
        id(&self.post("/v1/destinations", &body).await)
    }

    /// Makes a source of everything an org has, with its credential and routes.
    pub async fn source(
        &self,
        name: &str,
        org: &str,
        token: &str,
        destinations: &[String],
    ) -> String {
        let body = json!({
            "display_name": name, "start": "earliest", "refresh_frequency": "10s", "destination_ids": destinations,
            "credential": { "name": name, "domain": org, "token": token },
        });
        id(&self.post("/v1/sources", &body).await)
    }

    /// Where an output file lies.
    pub fn output(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

fn command(program: &Program, settings: &[(String, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(&program.path);
    command
        .args(&program.prefix)
        .args(arguments)
        .envs(settings.iter().map(|(name, value)| (name, value)));
    command
}

/// Runs a command to its end and returns what it printed.
async fn run(program: &Program, settings: &[(String, String)], arguments: &[&str]) -> String {
    let output = command(program, settings, arguments)
        .output()
        .await
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(
        output.status.success(),
        "{arguments:?} failed: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

async fn answer(path: &str, request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.expect("the API answers");
    let status = answer.status();
    let body = answer.text().await.expect("a whole answer");
    assert!(status.is_success(), "{path}: {status}: {body}");
    serde_json::from_str(&body).unwrap_or(Value::Null)
}

fn id(resource: &Value) -> String {
    resource
        .get("id")
        .and_then(Value::as_str)
        .expect("a resource has an id")
        .to_owned()
}
