//! `sim` as a person uses it: an org with a service app, several orgs, the control interface.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::process::{Process, Signal};

use crate::program::{program, run};

const LIMIT: Duration = Duration::from_secs(30);

async fn start(args: &[&str]) -> (Process, String, String) {
    let common = ["sim", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let process = Process::start(program(&[&common, args].concat()).into());
    let org = process.wait_for_line("org listens on", LIMIT).await;
    let control = process.wait_for_line("interface listens on", LIMIT).await;
    let url = |line: &str| {
        let rest = line.split(" on ").nth(1).unwrap();
        rest.split([',', ' ']).next().unwrap().to_owned()
    };
    (process, url(&org), url(&control))
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(LIMIT).build().unwrap()
}

#[tokio::test]
async fn several_orgs_of_a_file_are_served_and_controlled() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("acme.ndjson"), "{\"n\":1}\n").unwrap();
    let orgs = json!([
        {"name": "acme", "hosts": ["acme.okta.test"], "events": "acme.ndjson",
         "org": {"tokens": ["00acme"], "limits": {"org": 20, "token": 10}}},
        {"name": "beta", "hosts": ["beta.okta.test"], "org": {"tokens": ["00beta"]}},
    ]);
    let file = folder.path().join("orgs.json");
    std::fs::write(&file, orgs.to_string()).unwrap();
    let (mut process, url, control) = start(&["--orgs", file.to_str().unwrap()]).await;
    let http = client();
    let ask = async |host: &str, token: &str| {
        let request = http.get(format!("{url}/api/v1/logs")).header("host", host);
        let request = request.header("authorization", format!("SSWS {token}"));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    assert_eq!(
        ask("acme.okta.test", "00acme").await,
        (200, "[{\"n\":1}]".to_owned())
    );
    assert_eq!(
        ask("beta.okta.test", "00beta").await,
        (200, "[]".to_owned())
    );
    assert_eq!(ask("beta.okta.test", "00acme").await.0, 401);
    assert_eq!(ask("gamma.okta.test", "00acme").await.0, 404);
    let generate = http.post(format!("{control}/orgs/beta/generate"));
    let made = generate
        .body(r#"{"count":2,"odd":true}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(made.json::<Value>().await.unwrap()["count"], 2);
    let (_, page) = ask("beta.okta.test", "00beta").await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&page).unwrap().len(), 2);

    process.signal(Signal::TERM);
    process
        .wait_for_line("ended after 4 requests; 3 events", LIMIT)
        .await;
    assert!(process.wait(LIMIT).await.success());
}

#[tokio::test]
async fn the_key_of_a_service_app_is_made_once_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.pem");
    let args = ["--app-key", file.to_str().unwrap(), "--app-dpop"];
    let (_first, url, _) = start(&args).await;
    let key = std::fs::read_to_string(&file).unwrap();
    let (_second, ..) = start(&args).await;

    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), key);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let answer = client().post(format!("{url}/oauth2/v1/token"));
    let answer = answer.header("content-type", "application/x-www-form-urlencoded");
    let answer = answer
        .body("grant_type=client_credentials")
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap()["error"],
        "invalid_client"
    );
}

#[test]
fn what_is_wrong_with_options_and_files_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let listen = ["sim", "--listen", "127.0.0.1:0"];
    let twice = file("twice.json", r#"[{"name":"a"},{"name":"a"}]"#);
    let unknown = file("unknown.json", r#"[{"name":"a","org":{"token":"x"}}]"#);
    let empty = file("empty.json", "[]");
    let key = file("key.pem", "no key");
    for (args, text) in [
        (vec![], "--token or --app-key is needed"),
        (vec!["--orgs", &twice], "describes the org a twice"),
        (vec!["--orgs", &unknown], "unknown field `token`"),
        (vec!["--orgs", &empty], "describes no org"),
        (vec!["--app-key", &key], "a PEM of PKCS#8 is needed"),
    ] {
        let said = run(&mut program(&[&listen[..], &args].concat()));
        assert_eq!(said.code, Some(1), "{args:?}");
        assert!(said.err.contains(text), "{args:?}: {}", said.err);
    }
}
