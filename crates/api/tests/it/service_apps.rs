//! Service apps as credentials, over HTTP.

use okta_sim::{Algorithm, App, KeyPair, Sim, SimConfig};
use serde_json::{Value, json};

use crate::support::{TestApi, field};

const CLIENT: &str = "0oaservice0app000001";

fn app(private_key: &str) -> Value {
    json!({"client_id": CLIENT, "private_key": private_key})
}

fn body(oauth: &Value) -> Value {
    json!({"name": "Prod", "domain": "acme", "kind": "oauth", "oauth": oauth})
}

#[tokio::test]
async fn a_service_app_is_made_shown_and_given_a_new_key() {
    let api = TestApi::start().await;
    let key = KeyPair::generate(Algorithm::Rs256).unwrap();
    let made = api
        .post("/v1/credentials", body(&app(&key.private_pem())))
        .await;
    let view = made.expect(201);
    let path = format!("/v1/credentials/{}", made.id());
    assert_eq!(view["kind"], "oauth");
    let shown = json!({"client_id": CLIENT, "key_id": null, "algorithm": "RS256"});
    assert_eq!(view["oauth"], shown);
    assert_eq!(api.get(&path).await.expect(200), view);

    let new = KeyPair::generate(Algorithm::Es512).unwrap();
    let oauth = json!({"private_key": new.private_jwk().to_string()});
    let rotated = api.patch(&path, json!({"oauth": oauth})).await.expect(200);
    let shown = json!({"client_id": CLIENT, "key_id": new.kid(), "algorithm": "ES512"});
    assert_eq!(rotated["oauth"], shown);
    assert_eq!(
        rotated["fingerprint"], view["fingerprint"],
        "one app, one budget"
    );

    let oauth = json!({"client_id": "0oaother", "key_id": "k2", "private_key": key.private_pem()});
    let other = api.patch(&path, json!({"oauth": oauth})).await.expect(200);
    let shown = json!({"client_id": "0oaother", "key_id": "k2", "algorithm": "RS256"});
    assert_eq!(other["oauth"], shown);
    assert_ne!(other["fingerprint"], view["fingerprint"]);

    let moved = api
        .patch(&path, json!({"domain": "evil.example.com"}))
        .await;
    assert_eq!(moved.field_errors(), [field("/oauth", "required")]);
    let token = api.credential("token").await;
    let token = api
        .get(&format!("/v1/credentials/{token}"))
        .await
        .expect(200);
    assert_eq!(
        (&token["kind"], &token["oauth"]),
        (&json!("ssws"), &Value::Null)
    );
}

#[tokio::test]
async fn the_kind_says_which_secret_there_must_be() {
    let api = TestApi::start().await;
    let key = KeyPair::generate(Algorithm::Es256).unwrap().private_pem();
    let oauth = app(&key);
    let base = json!({"name": "x", "domain": "acme"});
    let table = [
        (json!({}), vec![field("/token", "required")]),
        (json!({"kind": "ssws"}), vec![field("/token", "required")]),
        (json!({"kind": "oauth"}), vec![field("/oauth", "required")]),
        (
            json!({"kind": "saml", "token": "00a"}),
            vec![field("/kind", "invalid_kind")],
        ),
        (
            json!({"oauth": oauth}),
            vec![field("/oauth", "wrong_kind"), field("/token", "required")],
        ),
        (
            json!({"kind": "oauth", "oauth": oauth, "token": "00a"}),
            vec![field("/token", "wrong_kind")],
        ),
        (
            json!({"kind": "oauth", "oauth": {}}),
            vec![
                field("/oauth/client_id", "required"),
                field("/oauth/private_key", "required"),
            ],
        ),
        (
            json!({"kind": "oauth", "oauth": {"client_id": "0 oa", "private_key": key}}),
            vec![field("/oauth/client_id", "invalid_client_id")],
        ),
    ];
    for (extra, errors) in table {
        for path in ["/v1/credentials", "/v1/credential-tests"] {
            let mut body = base.clone();
            body.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            if path.ends_with("tests") {
                body.as_object_mut().unwrap().remove("name");
            }
            assert_eq!(api.post(path, body).await.field_errors(), errors, "{extra}");
        }
    }
    let path = format!("/v1/credentials/{}", api.credential("one").await);
    let wrong = api
        .patch(&path, json!({"oauth": {"private_key": key}}))
        .await;
    assert!(
        wrong
            .field_errors()
            .contains(&field("/oauth", "wrong_kind"))
    );
    let inline = json!({"credential": body(&oauth)});
    api.post("/v1/sources", inline).await.expect(201);
}

#[tokio::test]
async fn a_wrong_private_key_is_refused_with_its_cause() {
    let api = TestApi::start().await;
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    let pem = key.private_pem();
    let table = [
        (key.public_jwk().to_string(), "public key"),
        (pem.replace("PRIVATE", "ENCRYPTED PRIVATE"), "encrypted"),
        (pem.replace("-----END", ""), "last line"),
        ("hunter2".to_owned(), "neither"),
    ];
    for (text, word) in table {
        let answer = api.post("/v1/credentials", body(&app(&text))).await;
        let wrong = field("/oauth/private_key", "invalid_private_key");
        assert_eq!(answer.field_errors(), [wrong]);
        assert!(answer.text.contains(word), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_service_app_is_tested_before_and_after_it_is_stored() {
    let api = TestApi::start().await;
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let key = KeyPair::generate(Algorithm::Es256).unwrap();
    let oauth = app(&key.private_pem());
    let body = json!({"name": "app", "domain": sim.url(), "kind": "oauth", "oauth": oauth});
    let path = format!(
        "/v1/credentials/{}",
        api.post("/v1/credentials", body).await.id()
    );
    let unsaved = json!({"domain": sim.url(), "kind": "oauth", "oauth": oauth});
    let apps = [
        (None, Some(("token", "app_refused"))),
        (
            Some(App {
                scopes: Vec::new(),
                ..App::new(CLIENT, &key)
            }),
            Some(("permission", "scope_not_granted")),
        ),
        (
            Some(App {
                role: false,
                ..App::new(CLIENT, &key)
            }),
            Some(("permission", "no_role")),
        ),
        (
            Some(App {
                outside_zone: true,
                ..App::new(CLIENT, &key)
            }),
            Some(("token", "access_denied")),
        ),
        (Some(App::with_dpop(CLIENT, &key)), None),
    ];
    for (app, fails) in apps {
        sim.org().remove_app(CLIENT);
        if let Some(app) = app {
            sim.org().add_app(app);
        }
        let before = api
            .post("/v1/credential-tests", unsaved.clone())
            .await
            .expect(200);
        let after = api
            .post(&format!("{path}/test"), json!({}))
            .await
            .expect(200);
        for test in [before, after] {
            let checks = test["checks"].as_array().unwrap();
            let failed = checks.iter().find(|check| check["status"] == "failed");
            let failed = failed.map(|check| {
                (
                    check["name"].as_str().unwrap(),
                    check["code"].as_str().unwrap(),
                )
            });
            assert_eq!(failed, fails, "{test}");
        }
    }
    assert_eq!(api.get(&path).await.expect(200)["state"], "valid");
}
