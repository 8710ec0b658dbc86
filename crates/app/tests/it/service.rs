//! The service as an operator runs it: migrate, keys, serve, probes, stop.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::postgres::TestDb;
use testkit::process::{Process, Signal};

use crate::program::{Said, program, run};

const LIMIT: Duration = Duration::from_mins(1);

/// A database of its own and a sealing key.
pub(crate) struct Installation {
    pub(crate) db: TestDb,
    pub(crate) key: String,
}

impl Installation {
    pub(crate) fn on(db: TestDb) -> Self {
        let key = run(&mut program(&["sealing", "keygen"])).out;
        Self { db, key }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = program(args);
        command
            .env("COLLECTOR_DATABASE_URL", self.db.url())
            .env("COLLECTOR_SEALING_KEYS", &self.key)
            .env("COLLECTOR_API_LISTEN", "127.0.0.1:0")
            .env("COLLECTOR_WORKER_LISTEN", "127.0.0.1:0")
            .env("COLLECTOR_ALLOW_HOSTS", "127.0.0.1")
            .env("COLLECTOR_LOG_FORMAT", "json");
        command
    }

    pub(crate) fn api_key(&self) -> String {
        let args = [
            "keys", "create", "--tenant", "acme", "--role", "admin", "--name", "test",
        ];
        run(&mut self.command(&args)).out.trim().to_owned()
    }
}

/// The address in a log line such as `the API listens on http://127.0.0.1:1234`.
pub(crate) async fn address(process: &Process, before: &str) -> String {
    let line = process.wait_for_line(before, LIMIT).await;
    let line: Value = serde_json::from_str(&line).unwrap();
    let message = line["message"].as_str().unwrap();
    format!("http://{}", message.split("http://").nth(1).unwrap())
}

#[tokio::test]
async fn a_database_is_migrated_once_and_refused_before() {
    let installation = Installation::on(TestDb::empty().await);
    for part in ["serve", "api", "worker"] {
        let said = run(&mut installation.command(&[part]));
        assert_eq!(said.code, Some(1), "{part}");
        assert!(
            said.err.contains("run `okta-collector migrate`"),
            "{part}: {}",
            said.err
        );
    }
    let said = run(&mut installation.command(&["migrate", "--wait", "10s"]));
    assert!(
        said.code == Some(0) && said.out.contains("applied "),
        "{said:?}"
    );
    let said = run(&mut installation.command(&["migrate"]));
    assert_eq!(said.out, "the database is up to date\n", "{}", said.err);
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_and_then_named() {
    let said = run(program(&["migrate", "--wait", "3s"]).env(
        "COLLECTOR_DATABASE_URL",
        "postgres://nobody@127.0.0.1:1/none",
    ));
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("waiting for the database, "),
        "{}",
        said.err
    );
    assert!(
        said.err
            .contains("okta-collector: the database is not available"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let installation = Installation::on(TestDb::new().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let out = file.to_str().unwrap();
    let create = [
        "keys", "create", "--tenant", "acme", "--role", "viewer", "--name", "ci", "--out", out,
    ];
    let said = run(&mut installation.command(&create));
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), ""),
        "{}",
        said.err
    );
    let key = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let public_id = api::keys::ApiKey::parse(key.trim())
        .unwrap()
        .public_id()
        .to_owned();

    let again = run(&mut installation.command(&create));
    assert_eq!(
        again.code,
        Some(1),
        "a file that is there is not written over"
    );
    let list = ["keys", "list", "--tenant", "acme"];
    let said = run(&mut installation.command(&list));
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert!(
        said.out.contains(&public_id) && said.out.contains("viewer"),
        "{}",
        said.out
    );
    assert!(!said.out.contains(key.trim()), "{}", said.out);

    let revoke = ["keys", "revoke", "--tenant", "acme", &public_id];
    assert_eq!(run(&mut installation.command(&revoke)).code, Some(0));
    assert!(
        run(&mut installation.command(&list))
            .out
            .contains("revoked")
    );
    let unknown = run(&mut installation.command(&["keys", "list", "--tenant", "other"]));
    assert!(
        unknown.err.contains("there is no tenant \"other\""),
        "{}",
        unknown.err
    );
}

#[tokio::test]
async fn the_first_key_of_init_works_after_migrate_and_stays_revoked() {
    let db = TestDb::new().await;
    let folder = tempfile::tempdir().unwrap();
    let said = run(&mut program(&["init", folder.path().to_str().unwrap()]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out.matches("made ").count(), 3, "{}", said.out);
    let file = folder.path().join("api.key");
    let key = std::fs::read_to_string(&file).unwrap();
    assert!(!said.out.contains(key.trim()), "{}", said.out);
    let key = api::keys::ApiKey::parse(key.trim()).unwrap();
    let migrate = || {
        let mut command = program(&["migrate"]);
        command
            .env("COLLECTOR_DATABASE_URL", db.url())
            .env("COLLECTOR_FIRST_API_KEY_FILE", &file);
        run(&mut command)
    };
    let line = format!("registered the API key okc_{}\n", key.public_id());
    let (first, second) = (migrate(), migrate());
    assert!(first.out.ends_with(&line), "{first:?}");
    assert_eq!(second.out, "the database is up to date\n", "{second:?}");

    let keys = |args: &[&str]| {
        let args = [&["keys"], args].concat();
        run(program(&args).env("COLLECTOR_DATABASE_URL", db.url())).out
    };
    let listed = keys(&["list", "--tenant", "default"]);
    assert!(
        listed.contains(key.public_id()) && listed.contains("admin     live"),
        "{listed}"
    );
    keys(&["revoke", "--tenant", "default", key.public_id()]);
    assert_eq!(migrate().code, Some(0));
    let listed = keys(&["list", "--tenant", "default"]);
    assert!(
        listed.contains("revoked") && !listed.contains("live"),
        "{listed}"
    );
}

#[tokio::test]
async fn what_a_file_registers_is_made_once() {
    let installation = Installation::on(TestDb::new().await);
    let folder = tempfile::tempdir().unwrap();
    let mut service = installation.command(&["api"]);
    service.env("COLLECTOR_FILE_ROOT", folder.path());
    let service = Process::start(service.into());
    let api = address(&service, "the API listens on").await;
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("key"), installation.api_key()).unwrap();
    let register = |body: &Value| {
        std::fs::write(path("file"), body.to_string()).unwrap();
        let (file, key) = (path("file"), path("key"));
        let mut command = program(&["register", "--api", &api]);
        run(command.arg("--key-file").arg(key).arg(file))
    };
    let mut body = json!({
        "credential": { "name": "okta", "domain": "acme.okta.com", "token": "00canary" },
        "destination": { "name": "archive", "kind": "file", "file": { "path": "../out" } },
        "source": { "display_name": "Okta" },
    });

    let refused = register(&body);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.out.starts_with("made the credential okta: "),
        "{refused:?}"
    );
    assert!(refused.err.contains("POST /v1/destinations"), "{refused:?}");

    body["destination"]["file"]["path"] = json!("out");
    let ids = |said: &Said| -> Vec<String> {
        let ids = said.out.lines().filter_map(|line| line.rsplit_once(": "));
        ids.map(|(_, id)| id.to_owned()).collect()
    };
    let (first, second) = (register(&body), register(&body));
    assert_eq!(first.out.matches("made the ").count(), 2, "{first:?}");
    assert_eq!(second.out.matches("found the ").count(), 3, "{second:?}");
    assert_eq!(ids(&first), ids(&second));
    assert!(!format!("{first:?}{refused:?}").contains("00canary"));

    let source = format!("{api}/v1/sources/{}", ids(&first)[2]);
    let request = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
    let request = request
        .get(format!("{source}/status"))
        .bearer_auth(installation.api_key());
    let status: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        status["delivery"]["routes"].as_array().map(Vec::len),
        Some(1),
        "{status}"
    );
}

#[tokio::test]
async fn both_halves_get_ready_and_stop_in_order() {
    let installation = Installation::on(TestDb::new().await);
    let mut service = Process::start(installation.command(&["serve"]).into());
    let api = address(&service, "the API listens on").await;
    let worker = address(&service, "its probes are on").await;
    let client = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
    let asked = async |url: String| client.get(url).send().await.unwrap();
    testkit::wait::until("the worker is ready", LIMIT, async || {
        asked(format!("{worker}/readyz"))
            .await
            .status()
            .is_success()
    })
    .await;
    for probe in [format!("{api}/readyz"), format!("{worker}/readyz")] {
        let said = run(&mut program(&["healthcheck", &probe]));
        assert_eq!(
            (said.code, said.out),
            (Some(0), format!("ready: {probe}\n"))
        );
    }
    let metrics = asked(format!("{worker}/metrics"))
        .await
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains("okta_collector_job_claim_duration_seconds_count"),
        "{metrics}"
    );
    assert!(!metrics.contains("otel_scope"), "{metrics}");
    let key = installation.api_key();
    let sources = client
        .get(format!("{api}/v1/sources"))
        .bearer_auth(key)
        .send()
        .await
        .unwrap();
    assert!(sources.status().is_success(), "{sources:?}");

    service.signal(Signal::TERM);

    assert_eq!(
        service.wait(LIMIT).await.code(),
        Some(0),
        "{:#?}",
        service.lines()
    );
    service.wait_for_line("the worker has stopped", LIMIT).await;
}

#[tokio::test]
async fn a_service_without_the_key_of_a_stored_secret_does_not_start() {
    let installation = Installation::on(TestDb::new().await);
    let mut service = Process::start(installation.command(&["api"]).into());
    let api = address(&service, "the API listens on").await;
    let credential = json!({ "name": "acme", "domain": "acme.okta.com", "token": "00secret" });
    let request = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
    let request = request
        .post(format!("{api}/v1/credentials"))
        .bearer_auth(installation.api_key());
    assert!(
        request
            .json(&credential)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    service.signal(Signal::TERM);
    assert_eq!(service.wait(LIMIT).await.code(), Some(0));

    let other = run(&mut program(&["sealing", "keygen"])).out;
    let said = run(installation
        .command(&["worker"])
        .env("COLLECTOR_SEALING_KEYS", &other));

    assert_eq!(said.code, Some(1));
    let name = installation.key.split(':').next().unwrap();
    assert!(
        said.err.contains(&format!("does not hold: {name}")),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let installation = Installation::on(TestDb::new().await);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = run(installation
        .command(&["api"])
        .env("COLLECTOR_API_LISTEN", &address));
    assert_eq!(said.code, Some(1));
    let line = format!("cannot listen on {address} (COLLECTOR_API_LISTEN)");
    assert!(said.err.contains(&line), "{}", said.err);
}

#[tokio::test]
async fn a_second_signal_ends_a_worker_that_drains_at_once() {
    let installation = Installation::on(TestDb::new().await);
    let sim = okta_sim::Sim::start(okta_sim::SimConfig::with_token("00secret"))
        .await
        .unwrap();
    sim.org()
        .persist(okta_sim::Events::from_lines(["{}"]).unwrap());
    let api = Process::start(installation.command(&["api"]).into());
    let url = format!("{}/v1/sources", address(&api, "the API listens on").await);
    let credential = json!({ "name": "acme", "domain": sim.url(), "token": "00secret" });
    let source = json!({ "credential": credential, "start": "earliest" });
    let request = reqwest::Client::builder()
        .timeout(LIMIT)
        .build()
        .unwrap()
        .post(url);
    let made = request
        .bearer_auth(installation.api_key())
        .json(&source)
        .send()
        .await
        .unwrap();
    assert!(made.status().is_success(), "{made:?}");

    let mut worker = installation.command(&["worker"]);
    worker
        .env("COLLECTOR_TEST_STOP_AT", "fetched")
        .env("COLLECTOR_DRAIN", "10m");
    let mut worker = Process::start(worker.into());
    worker.wait_for_line("stopped at fetched", LIMIT).await;
    worker.signal(Signal::TERM);
    worker
        .wait_for_line("SIGTERM received: stopping", LIMIT)
        .await;
    worker.signal(Signal::TERM);

    assert_eq!(
        worker.wait(LIMIT).await.code(),
        Some(143),
        "{:#?}",
        worker.lines()
    );
}
