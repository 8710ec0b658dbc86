//! A service app end to end, with everything said out loud: its key, its access tokens, its assertions and
//! its proofs are nowhere.

use std::time::Duration;

use okta_sim::{Algorithm, App, Events, KeyPair, Sim, SimConfig};
use serde_json::{Value, json};
use testkit::postgres::TestDb;
use testkit::process::{Process, Signal};

use crate::otlp::Endpoint;
use crate::service::{Installation, address};

const LIMIT: Duration = Duration::from_mins(1);
const CLIENT: &str = "0oaservice0app000001";

/// Every JSON web token begins with it: access tokens, assertions and proofs.
const TOKEN: &str = "eyJ";

/// What only the private key holds: its secret number, and the ends of its first lines.
fn parts_of(key: &KeyPair) -> Vec<String> {
    let pem = key.private_pem();
    let lines = pem.lines().filter(|line| !line.starts_with('-')).take(2);
    let mut parts: Vec<String> = lines.map(|line| line.chars().skip(36).collect()).collect();
    parts.push(key.private_jwk()["d"].as_str().unwrap().to_owned());
    parts
}

#[tokio::test]
async fn a_service_app_delivers_and_its_secrets_are_nowhere() {
    let installation = Installation::on(TestDb::new().await);
    let files = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start();
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    sim.org().add_app(App::with_dpop(CLIENT, &key));
    let event = json!({ "uuid": "1", "published": "2026-11-01T00:00:00.000Z" }).to_string();
    sim.org().persist(Events::from_lines([event]).unwrap());
    let api_key = installation.api_key();
    let mut serve = installation.command(&["serve"]);
    serve
        .env("COLLECTOR_FILE_ROOT", files.path())
        .env("COLLECTOR_LOG", "trace")
        .env(
            "COLLECTOR_OTLP_ENDPOINT",
            format!("http://{}", endpoint.address),
        );
    let mut service = Process::start(serve.into());
    let api = address(&service, "the API listens on").await;
    let client = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
    let post = async |path: &str, body: Value| -> (u16, String) {
        let request = client.post(format!("{api}{path}")).bearer_auth(&api_key);
        let answer = request.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    let file = json!({ "name": "file", "kind": "file", "file": { "path": "out" } });
    let (_, file) = post("/v1/destinations", file).await;
    let file: Value = serde_json::from_str(&file).unwrap();
    let oauth = json!({ "client_id": CLIENT, "private_key": key.private_pem() });
    let test = json!({ "domain": sim.url(), "kind": "oauth", "oauth": oauth });
    let mut credential = test.clone();
    credential["name"] = "app".into();
    let source = json!({
        "credential": credential, "destination_ids": [file["id"]], "start": "earliest",
    });
    let mut texts = Vec::new();
    for (path, body) in [("/v1/credential-tests", test), ("/v1/sources", source)] {
        let (status, said) = post(path, body).await;
        assert!((200..300).contains(&status), "{said}");
        texts.push(said);
    }
    let out = files.path().join("out");
    testkit::wait::until("the event is delivered", LIMIT, async || {
        std::fs::read_to_string(&out).is_ok_and(|text| text.lines().count() == 1)
    })
    .await;
    for path in ["/v1/credentials", "/v1/sources", "/v1/jobs", "/metrics"] {
        let request = client.get(format!("{api}{path}")).bearer_auth(&api_key);
        texts.push(request.send().await.unwrap().text().await.unwrap());
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait(LIMIT).await.code(), Some(0));

    let bound = sim.org().requests();
    let bound = |path: &str| {
        bound
            .iter()
            .any(|it| it.target.starts_with(path) && it.proof)
    };
    assert!(bound("/oauth2/v1/token") && bound("/api/v1/logs"));
    let lines = service.lines();
    assert!(
        lines.iter().any(|line| line.contains("\"DEBUG\"")),
        "it is said out loud"
    );
    let sent = endpoint.sent().into_iter();
    texts.extend(sent.map(|sent| String::from_utf8_lossy(&sent.body).into_owned()));
    let spans: Vec<_> = endpoint.spans();
    assert!(
        spans
            .iter()
            .any(|(span, _)| span.name == "okta.fetch_token")
    );
    texts.extend(rows(&installation).await);
    texts.extend(lines);
    let mut secrets = parts_of(&key);
    secrets.push(TOKEN.to_owned());
    for text in texts {
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

/// Every row of every table as text.
async fn rows(installation: &Installation) -> Vec<String> {
    let client = installation.db.client().await;
    let tables = "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let mut rows = Vec::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let all = format!("SELECT t::text FROM {} t", table.get::<_, String>(0));
        for row in client.query(&all, &[]).await.unwrap() {
            rows.push(row.get(0));
        }
    }
    assert!(rows.iter().any(|row: &String| row.contains(CLIENT)));
    rows
}
