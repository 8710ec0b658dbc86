//! A token that was sent once is in no answer, and in no row of the database.

use std::io::Write;
use std::sync::{Arc, Mutex};

use okta_sim::{Algorithm, KeyPair};
use serde_json::{Value, json};

use crate::support::{CANARY, TestApi, credential};

/// A service app with this private key.
fn app(private_key: &str) -> Value {
    let name = uuid::Uuid::new_v4().to_string();
    json!({"name": name, "domain": "acme", "kind": "oauth", "oauth": {"client_id": "0oa1", "private_key": private_key}})
}

/// What no other text than the private key holds: the middle of its first lines, and its secret number.
fn parts_of(key: &KeyPair) -> Vec<String> {
    let d = key.private_jwk()["d"].as_str().unwrap().to_owned();
    let pem = key.private_pem();
    let lines = pem.lines().filter(|line| !line.starts_with('-')).take(2);
    let mut parts: Vec<String> = lines.map(|line| line.chars().skip(36).collect()).collect();
    parts.push(d);
    parts
}

#[tokio::test]
async fn a_token_never_comes_back() {
    let api = TestApi::start().await;
    let (source, _, route) = api.route("one").await;
    let id = api.credential("two").await;
    let path = format!("/v1/credentials/{id}");
    let mut answers = vec![
        api.get(&path).await,
        api.get("/v1/credentials").await,
        api.get("/v1/sources").await,
        api.get(&format!("/v1/sources/{source}/status")).await,
        api.get(&format!("/v1/routes/{route}")).await,
        api.get("/v1/jobs").await,
        api.get("/v1/api-keys").await,
        api.get("/metrics").await,
        api.patch(&path, json!({"token": CANARY})).await,
        api.post("/v1/credentials", credential("two")).await,
        // In places where it does not belong, and in bodies that cannot be read.
        api.post(
            "/v1/credentials",
            json!({"name": "x", "domain": CANARY, "token": CANARY}),
        )
        .await,
        api.post(
            "/v1/credentials",
            json!({"name": "x", "domain": "acme", "token": {"x": CANARY}}),
        )
        .await,
        api.post(
            "/v1/credentials",
            json!({"name": "x", "domain": "acme", "token": format!("{CANARY} \n{CANARY}")}),
        )
        .await,
        api.post(
            "/v1/credentials",
            json!({"name": [CANARY], "domain": {"x": CANARY}}),
        )
        .await,
    ];
    let cut = format!("{{\"token\": \"{CANARY}\"");
    for body in [
        cut.clone(),
        format!("{cut} {CANARY}}}"),
        format!("{CANARY}{cut}"),
        format!("{{\"token\": {CANARY}}}"),
    ] {
        answers.push(
            api.post_raw("/v1/credentials", "application/json", body)
                .await,
        );
    }
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    for private_key in [key.private_pem(), key.private_jwk().to_string()] {
        let made = api.post("/v1/credentials", app(&private_key)).await;
        answers.push(api.get(&format!("/v1/credentials/{}", made.id())).await);
        answers.push(made);
        let test = json!({"domain": "http://127.0.0.1:9", "kind": "oauth", "oauth": app(&private_key)["oauth"]});
        answers.push(api.post("/v1/credential-tests", test).await);
        // Damaged, and where it does not belong.
        let cut: String = private_key.chars().take(150).collect();
        answers.push(api.post("/v1/credentials", app(&cut)).await);
        let token = json!({"name": "x", "domain": "acme", "token": private_key});
        answers.push(api.post("/v1/credentials", token).await);
        let mut odd = app(&private_key);
        odd["oauth"] = json!({"client_id": private_key, "key_id": [private_key], "private_key": [private_key]});
        answers.push(api.post("/v1/credentials", odd).await);
    }
    let parts = parts_of(&key);
    for answer in answers {
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
        for part in &parts {
            assert!(!answer.text.contains(part), "{}", answer.text);
        }
        assert!(!format!("{:?}", answer.headers).contains(CANARY));
    }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_has_one_line_in_the_log_and_no_secret_in_it() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("api=trace,store=trace,forward=trace,actix_web=trace,actix_http=trace,actix_server=trace")
        .with_writer(move || writer.clone())
        .init();
    let api = TestApi::start().await;
    let id = "the-line-we-look-for";
    let key = api.key("admin").await;
    let request = api
        .client
        .post(format!("{}/v1/credentials", api.address))
        .bearer_auth(&key);
    let request = request.header("x-request-id", id).json(&credential("one"));
    request.send().await.unwrap();
    api.post(
        "/v1/credentials",
        json!({"name": CANARY, "domain": CANARY, "token": [CANARY]}),
    )
    .await;
    api.post_raw(
        "/v1/credentials",
        "application/json",
        format!("{{\"token\": \"{CANARY}"),
    )
    .await;
    let private = KeyPair::generate(Algorithm::Es256).unwrap();
    api.post("/v1/credentials", app(&private.private_pem()))
        .await
        .expect(201);
    api.post("/v1/credentials", app(&private.private_jwk().to_string()))
        .await
        .expect(201);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains(CANARY));
    assert!(!text.contains(&key));
    for part in parts_of(&private) {
        assert!(!text.contains(&part), "{part}");
    }
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(id) && line.contains("\"status\""))
        .collect();
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let line: Value = serde_json::from_str(line).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["message"], "POST /v1/credentials 201");
    assert_eq!(
        (&fields["request_id"], &fields["route"]),
        (&json!(id), &json!("/v1/credentials"))
    );
    assert_eq!(
        (&fields["status"], &fields["method"]),
        (&json!(201), &json!("POST"))
    );
    assert!(
        fields["tenant_id"].is_string() && fields["ms"].is_u64(),
        "{line}"
    );
}

#[tokio::test]
async fn a_token_is_in_no_row() {
    let api = TestApi::start().await;
    api.route("one").await;
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    api.post("/v1/credentials", app(&key.private_pem()))
        .await
        .expect(201);
    let mut secrets = parts_of(&key);
    secrets.push(CANARY.to_owned());
    let client = api.db.client().await;
    let tables = "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'";
    let tables = client.query(tables, &[]).await.unwrap();
    assert!(tables.len() > 15);
    for table in tables {
        let table: String = table.get(0);
        // Columns of bytes print as hexadecimal digits.
        for spelling in ["$1", "encode($1::text::bytea, 'hex')"] {
            let sql = format!(
                "SELECT count(*) FROM {table} t WHERE t::text LIKE '%' || {spelling} || '%'"
            );
            for secret in &secrets {
                let rows: i64 = client.query_one(&sql, &[secret]).await.unwrap().get(0);
                assert_eq!(rows, 0, "{table}");
            }
        }
    }
}
