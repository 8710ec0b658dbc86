//! Tests of credentials over HTTP, against a simulated org.

use chrono::{DateTime, TimeDelta, Utc};
use okta_sim::{AuthorizationKind, Events, Fault, RateLimits, Sim, SimConfig, TokenState};
use serde_json::{Value, json};

use crate::support::{TestApi, field};

const TOKEN: &str = "00canary-token-of-the-tests";

async fn org() -> Sim {
    Sim::start(SimConfig::with_token(TOKEN)).await.unwrap()
}

/// Events that end a minute ago, a second apart.
fn events(sim: &Sim, count: i64) -> Vec<String> {
    let end = sim.org().clock().now() - TimeDelta::minutes(1);
    let event = |n| {
        let at: DateTime<Utc> = end - TimeDelta::seconds(count - n);
        format!(
            r#"{{"uuid":"{n}", "published":"{}","odd":1e400}}"#,
            at.to_rfc3339()
        )
    };
    let lines: Vec<String> = (1..=count).map(event).collect();
    sim.org().persist(Events::from_lines(&lines).unwrap());
    lines
}

fn body(domain: &str) -> Value {
    json!({"domain": domain, "token": TOKEN})
}

fn statuses(test: &Value) -> Vec<(&str, &str)> {
    let checks = test["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            (
                check["name"].as_str().unwrap(),
                check["status"].as_str().unwrap(),
            )
        })
        .collect()
}

/// The first step that failed: name, code, detail.
#[track_caller]
fn failed(test: &Value) -> (&str, &str, &str) {
    assert_eq!(test["ok"], false, "{test}");
    let mut checks = test["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["status"] == "failed").unwrap();
    (
        check["name"].as_str().unwrap(),
        check["code"].as_str().unwrap(),
        check["detail"].as_str().unwrap(),
    )
}

fn log_requests(sim: &Sim) -> usize {
    let requests = sim.org().requests().into_iter();
    requests
        .filter(|request| request.target.starts_with("/api/v1/logs"))
        .count()
}

#[tokio::test]
async fn a_good_credential_shows_its_org_its_limit_and_its_newest_events() {
    let (api, sim) = (TestApi::start().await, org().await);
    let lines = events(&sim, 120);

    let test = api
        .post("/v1/credential-tests", body(&sim.url()))
        .await
        .expect(200);

    assert_eq!(test["ok"], true, "{test}");
    assert!(
        statuses(&test)
            .iter()
            .all(|(_, status)| *status == "passed"),
        "{test}"
    );
    assert_eq!(test["organization"]["id"], "00osimulated0org05d7");
    assert_eq!(test["rate_limit"]["limit"], 60);
    assert_eq!(test["rate_limit"]["usable"], 54);
    assert_eq!(test["rate_limit"]["remaining"], 59);
    assert_eq!(test["sample_events"], json!([lines[119], lines[118]]));
    let rate = test["events_per_minute"].as_f64().unwrap();
    assert!((35.0..=62.0).contains(&rate), "{rate}");
    assert_eq!(log_requests(&sim), 1);
    let first = &sim.org().requests()[0];
    assert_eq!(
        (first.target.as_str(), first.authorization),
        ("/.well-known/okta-organization", AuthorizationKind::Absent),
        "who it is comes first, and without the token"
    );
    let stored = api.get("/v1/credentials").await.expect(200);
    assert_eq!(stored["items"], json!([]));
}

#[tokio::test]
async fn a_quiet_org_costs_one_request_more() {
    let (api, sim) = (TestApi::start().await, org().await);
    let test = api
        .post("/v1/credential-tests", body(&sim.url()))
        .await
        .expect(200);
    assert_eq!(test["ok"], true, "{test}");
    assert_eq!(
        (&test["newest_event_at"], &test["events_per_minute"]),
        (&Value::Null, &json!(0.0))
    );
    assert_eq!(test["sample_events"], json!([]));
    assert_eq!(log_requests(&sim), 2);
}

#[tokio::test]
async fn each_refusal_is_a_result_with_its_cause() {
    let (api, sim) = (TestApi::start().await, org().await);
    let url = sim.url();
    let plain_as_tls = url.replace("http://", "https://");
    let test = async |domain: &str, token: &str| {
        let body = json!({"domain": domain, "token": token});
        api.post("/v1/credential-tests", body).await.expect(200)
    };

    for (domain, step, code) in [
        ("{yourOktaDomain}", "domain", "invalid_domain"),
        ("http://acme.okta.com", "domain", "invalid_domain"),
        ("https://no-such-org.invalid", "domain", "dns_failed"),
        ("https://10.1.2.3", "domain", "blocked_host"),
        ("http://127.0.0.1:9", "domain", "unreachable"),
        (plain_as_tls.as_str(), "domain", "tls_failed"),
    ] {
        let result = test(domain, TOKEN).await;
        let (name, found, detail) = failed(&result);
        assert_eq!((name, found), (step, code), "{domain}: {detail}");
        let rest = &statuses(&result)[1..];
        assert!(rest.iter().all(|(_, status)| *status == "skipped"));
    }
    assert_eq!(sim.org().requests().len(), 0, "nothing was sent anywhere");

    for (token, hint) in [
        ("00never-issued", "mistyped"),
        ("00T1lxx2xxABCDEFG0h7", "the id of a token"),
        ("eyJhbGciOiJSUzI1NiJ9.e30.x", "OAuth access token"),
    ] {
        let result = test(&url, token).await;
        let (name, code, detail) = failed(&result);
        assert_eq!((name, code), ("token", "bad_token"));
        assert!(detail.contains(hint), "{detail}");
        assert!(!result.to_string().contains(token));
    }

    sim.org().set_token(TOKEN, TokenState::NoRole).unwrap();
    let result = test(&url, TOKEN).await;
    let (name, code, detail) = failed(&result);
    assert_eq!((name, code), ("permission", "no_role"));
    assert!(detail.contains("read-only administrator"), "{detail}");
    assert_eq!(statuses(&result)[2], ("token", "passed"));

    sim.org().add_token(TOKEN);
    sim.org().set_present(false);
    let result = test(&url, TOKEN).await;
    let (name, code, _) = failed(&result);
    assert_eq!((name, code), ("organisation", "not_an_org"));
    assert_eq!(statuses(&result)[0], ("domain", "passed"));
    sim.org().set_present(true);

    for (fault, step, code) in [
        (Fault::RateLimit, "rate_limit", "rate_limited"),
        (Fault::ConcurrencyLimit, "rate_limit", "concurrency_limited"),
        (Fault::InternalError, "token", "server_error"),
        (Fault::GarbagePage, "newest_event", "malformed"),
    ] {
        sim.org().inject(fault.once());
        let result = test(&url, TOKEN).await;
        let (name, found, detail) = failed(&result);
        assert_eq!((name, found), (step, code), "{detail}");
    }
}

#[tokio::test]
async fn an_org_that_hangs_is_broken_off() {
    let (api, sim) = (TestApi::start().await, org().await);
    sim.org().inject(Fault::HungBeforeHeaders.once());
    let result = api
        .post("/v1/credential-tests", body(&sim.url()))
        .await
        .expect(200);
    let (name, code, detail) = failed(&result);
    assert_eq!((name, code), ("token", "timed_out"));
    assert!(detail.contains("5 s"), "{detail}");
}

#[tokio::test]
async fn a_stored_credential_follows_its_test() {
    let (api, sim) = (TestApi::start().await, org().await);
    events(&sim, 3);
    let new = json!({"name": "one", "domain": sim.url(), "token": TOKEN});
    let id = api.post("/v1/credentials", new).await.id();
    let path = format!("/v1/credentials/{id}");
    let test = async || {
        let result = api.act(&format!("{path}/test")).await.expect(200);
        (result, api.get(&path).await.expect(200))
    };

    let (result, now) = test().await;
    assert_eq!(result["ok"], true, "{result}");
    assert_eq!(
        (&now["state"], &now["org_id"]),
        (&json!("valid"), &json!("00osimulated0org05d7"))
    );

    sim.org()
        .set_token(TOKEN, TokenState::OwnerDeactivated)
        .unwrap();
    let (result, now) = test().await;
    let (name, code, detail) = failed(&result);
    assert_eq!((name, code), ("token", "token_revoked"));
    assert!(detail.contains("owner was deactivated"), "{detail}");
    assert_eq!(now["state"], "rejected");

    sim.org().add_token(TOKEN);
    let (_, now) = test().await;
    assert_eq!(
        (&now["state"], &now["code"]),
        (&json!("valid"), &Value::Null)
    );
}

#[tokio::test]
async fn a_stored_credential_is_not_sent_to_an_org_that_took_its_domain() {
    let (api, sim) = (TestApi::start().await, org().await);
    let new = json!({"name": "one", "domain": sim.url(), "token": TOKEN});
    let id = api.post("/v1/credentials", new).await.id();
    api.sql("UPDATE credentials SET org_id = '00othe0rg'").await;

    let result = api
        .act(&format!("/v1/credentials/{id}/test"))
        .await
        .expect(200);

    let (name, code, _) = failed(&result);
    assert_eq!((name, code), ("organisation", "foreign_org"));
    assert_eq!(log_requests(&sim), 0);
}

#[tokio::test]
async fn a_stored_credential_is_tested_within_its_budget() {
    let (api, sim) = (TestApi::start().await, org().await);
    events(&sim, 1);
    sim.org().set_rate_limits(RateLimits::half_of(4));
    let new = json!({"name": "one", "domain": sim.url(), "token": TOKEN});
    let path = format!(
        "/v1/credentials/{}/test",
        api.post("/v1/credentials", new).await.id()
    );
    assert_eq!(api.act(&path).await.expect(200)["ok"], true);
    let result = api.act(&path).await.expect(200);
    let (name, code, detail) = failed(&result);
    assert_eq!((name, code), ("rate_limit", "rate_limited"));
    assert!(detail.contains("try again in"), "{detail}");
    assert_eq!(log_requests(&sim), 1, "the share left was none");
}

#[tokio::test]
async fn tests_are_for_operators_and_for_ones_own_tenant() {
    let api = TestApi::start().await;
    let path = format!("/v1/credentials/{}/test", api.credential("one").await);
    let viewer = api.key("viewer").await;
    for (path, body) in [
        ("/v1/credential-tests", Some(body("acme"))),
        (path.as_str(), None),
    ] {
        let refused = api.send("POST", path, &viewer, body.as_ref()).await;
        refused.problem(403, "forbidden");
    }
    let other = api.other_tenant().await;
    api.send("POST", &path, &other, None)
        .await
        .problem(404, "not_found");
    let wrong = api
        .post(
            "/v1/credential-tests",
            json!({"domain": "acme", "token": "a b"}),
        )
        .await;
    assert_eq!(wrong.field_errors(), [field("/token", "invalid_token")]);
}

#[tokio::test]
async fn tests_are_no_port_scanner() {
    let api = TestApi::start().await;
    let scan = async |_| {
        api.post("/v1/credential-tests", body("http://127.0.0.1:9"))
            .await
    };
    for n in 0..30 {
        scan(n).await.expect(200);
    }
    let refused = scan(30).await;
    refused.problem(429, "too_many_tests");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait));
}
