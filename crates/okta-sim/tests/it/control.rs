//! Several orgs behind one listener, and the control interface.

use okta_sim::{Controlled, Events, Hosted, Org, OrgConfig, RateLimits, Sim, SimClock};
use serde_json::{Value, json};

use crate::support::{Answer, TOKEN, client, quiet};

const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

struct Stage {
    sim: Sim,
    control: Sim,
    client: reqwest::Client,
}

impl Stage {
    async fn start() -> Self {
        let clock = SimClock::new();
        let orgs = ["acme", "other"].map(|name| {
            let org = Org::new(quiet(), clock.clone());
            (name.to_owned(), org)
        });
        let hosted = orgs.clone().map(|(name, org)| Hosted {
            hosts: vec![format!("{name}.okta.test")],
            org,
        });
        let sim = Sim::serve_hosts(hosted.to_vec(), LOCAL.into(), None)
            .await
            .unwrap();
        let controlled = Controlled {
            clock,
            orgs: orgs.to_vec(),
        };
        let control = Sim::control(controlled, LOCAL.into()).await.unwrap();
        Self {
            sim,
            control,
            client: client(),
        }
    }

    async fn ask(&self, host: &str) -> Answer {
        self.read(host, "/api/v1/logs").await
    }

    async fn read(&self, host: &str, target: &str) -> Answer {
        let request = self.client.get(format!("{}{target}", self.sim.url()));
        let request = request.header("host", host);
        let request = request.header("authorization", format!("SSWS {TOKEN}"));
        Answer::of(request.send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let url = format!("{}{path}", self.control.url());
        Answer::of(self.client.post(url).body(body).send().await.unwrap()).await
    }

    async fn done(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body.to_string()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.control.url());
        Answer::of(self.client.get(url).send().await.unwrap())
            .await
            .json()
    }
}

#[tokio::test]
async fn the_host_decides_which_org_answers() {
    let stage = Stage::start().await;
    stage
        .sim
        .org()
        .persist(Events::from_lines([r#"{"n":1}"#]).unwrap());

    assert_eq!(stage.ask("acme.okta.test").await.numbers(), [1]);
    assert_eq!(stage.ask("ACME.okta.test:443").await.numbers(), [1]);
    assert_eq!(stage.ask("acme-admin.okta.test").await.numbers(), [1]);
    assert_eq!(stage.ask("other.okta.test").await.text(), "[]");
    for target in ["/api/v1/logs", "/.well-known/okta-organization"] {
        assert_eq!(stage.read("nobody.okta.test", target).await.status, 404);
    }
}

#[tokio::test]
async fn tests_in_any_language_can_do_what_an_org_can() {
    let stage = Stage::start().await;
    let host = "acme.okta.test";

    let taken = stage
        .post("/orgs/acme/events", "{\"n\":0}\n{\"n\":1}\n")
        .await
        .json();
    assert_eq!(taken, json!({"first": 0, "count": 2}));
    let published = "{\"n\":2,\"published\":\"2026-03-01T00:00:00Z\"}\n";
    stage
        .post("/orgs/acme/events?shown=bounded", published)
        .await;
    assert_eq!(stage.ask(host).await.numbers(), [0, 1]);
    assert_eq!(
        stage.done("/orgs/acme/reveal", &json!({"index": 2})).await["revealed"],
        true
    );
    assert_eq!(stage.ask(host).await.numbers(), [0, 1, 2]);
    assert_eq!(
        stage
            .done("/orgs/other/generate", &json!({"count": 3}))
            .await["count"],
        3
    );

    stage
        .done(
            "/orgs/acme/faults",
            &json!({"fault": "rate_limit", "times": 1}),
        )
        .await;
    assert_eq!(stage.ask(host).await.status, 429);
    stage
        .done("/orgs/acme/faults", &json!({"fault": {"html": 503}}))
        .await;
    assert_eq!(stage.ask(host).await.status, 503);
    let url = format!("{}/orgs/acme/faults", stage.control.url());
    stage.client.delete(url).send().await.unwrap();
    assert_eq!(stage.ask(host).await.status, 200);

    let revoked = json!({"token": TOKEN, "state": "revoked"});
    stage.done("/orgs/acme/tokens", &revoked).await;
    assert_eq!(stage.ask(host).await.status, 401);
    stage
        .done("/orgs/acme/tokens", &json!({"token": TOKEN}))
        .await;
    stage
        .done("/orgs/acme/limits", &json!({"org": 10, "token": 5}))
        .await;
    stage
        .done(
            "/orgs/acme/shares",
            &json!({"principal": TOKEN, "share": 7}),
        )
        .await;
    assert_eq!(stage.ask(host).await.number("x-rate-limit-limit"), 7);

    let set = stage
        .done("/clock", &json!({"set": "2030-01-01T00:00:00Z"}))
        .await;
    assert!(
        set["now"]
            .as_str()
            .unwrap()
            .starts_with("2030-01-01T00:00:0")
    );
    let later = stage
        .done("/clock", &json!({"advance_seconds": 86400}))
        .await;
    assert!(
        later["now"]
            .as_str()
            .unwrap()
            .starts_with("2030-01-02T00:00:0")
    );
    stage
        .done("/orgs/acme/present", &json!({"present": false}))
        .await;
    assert_eq!(stage.ask(host).await.status, 404);

    let log = stage.get("/orgs/acme/requests?from=2").await;
    assert_eq!((&log["first"], &log["next"]), (&json!(2), &json!(8)));
    let statuses: Vec<_> = log["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["status"])
        .collect();
    assert_eq!(statuses, [429, 503, 200, 401, 200, 404]);
    assert_eq!(log["requests"][4]["window"]["remaining"], 1);
    assert!(!log.to_string().contains(TOKEN));
    let all = stage.get("/").await;
    assert_eq!(all["orgs"][0]["published"], 3);
    assert_eq!(all["orgs"][1]["name"], "other");
}

#[tokio::test]
async fn commands_that_are_none_are_refused_with_the_cause() {
    let stage = Stage::start().await;
    let cases = [
        ("/orgs/nobody/events", "", 404, "there is no org nobody"),
        ("/orgs/acme/dance", "", 404, "is no command"),
        (
            "/orgs/acme/events",
            "[]\n",
            400,
            "line 1 is not one JSON object",
        ),
        (
            "/orgs/acme/faults",
            r#"{"fault":"flood"}"#,
            400,
            "unknown variant",
        ),
        (
            "/orgs/acme/faults",
            r#"{"fault":"rate_limit","path":"/x"}"#,
            400,
            "the org does not serve /x",
        ),
        ("/orgs/acme/limits", "{}", 400, "missing field"),
        ("/clock", r#"{"backwards":1}"#, 400, "unknown variant"),
    ];
    for (path, body, status, text) in cases {
        let answer = stage.post(path, body).await;
        assert_eq!(answer.status, status, "{path} {body}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(text), "{path}: {error}");
    }
}

#[test]
fn an_org_is_described_in_json() {
    let org: OrgConfig = serde_json::from_value(json!({
        "tokens": ["00secret"],
        "apps": [{"client_id": "0oa1", "keys": [], "dpop": true}],
        "limits": {"org": 20, "token": 10},
        "windows": {"seconds": 5, "start": {"offset": {"seed": 1}}},
        "limit_rule": "zero_is_empty", "bad_date": "E0000001", "links": "one_line",
    }))
    .unwrap();
    assert_eq!(org.limits, RateLimits::half_of(20));
    assert!(org.apps[0].dpop && org.apps[0].role);

    let unknown = serde_json::from_value::<OrgConfig>(json!({"token": "00secret"}));
    assert!(unknown.is_err());
}
