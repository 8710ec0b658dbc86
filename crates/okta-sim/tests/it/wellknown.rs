//! What an org says about itself, and what is not there.

use crate::support::{Answer, Fixture};

#[tokio::test]
async fn an_org_says_so_without_a_credential() {
    let sim = Fixture::start().await;

    let answer = sim
        .client
        .get(sim.url("/.well-known/okta-organization"))
        .send()
        .await
        .unwrap();
    let answer = Answer::of(answer).await;

    assert_eq!(answer.status, 200);
    let body = answer.json();
    let id = body["id"].as_str().unwrap();
    assert!(id.starts_with("00o") && id.len() == 20, "{id}");
    assert_eq!(body["pipeline"], "idx");
    assert_eq!(body["_links"]["organization"]["href"], sim.sim.url());
    assert_eq!(sim.get("/api/v1/org").await.json()["id"], id);
}

#[tokio::test]
async fn a_host_that_is_no_org_is_404_everywhere() {
    let sim = Fixture::start().await;
    sim.org().set_present(false);
    for path in ["/.well-known/okta-organization", "/api/v1/logs", "/"] {
        let answer = sim.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["status"], 404);
    }

    sim.org().set_present(true);
    assert_eq!(sim.get("/.well-known/okta-organization").await.status, 200);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let sim = Fixture::start().await;

    let unknown = sim.get("/api/v1/users").await;
    let wrong = Answer::of(
        sim.client
            .delete(sim.url("/api/v1/logs"))
            .send()
            .await
            .unwrap(),
    )
    .await;

    assert_eq!((unknown.status, unknown.code().as_str()), (404, "E0000008"));
    assert_eq!((wrong.status, wrong.code().as_str()), (405, "E0000022"));
}

#[tokio::test]
async fn a_console_host_serves_the_api_with_its_own_links_but_no_tokens() {
    let service = crate::service::Service::start(false).await;
    let sim = &service.sim;
    let host = "acme-admin.okta.test";

    let logs = sim.request("/api/v1/logs").header("host", host);
    let logs = Answer::of(logs.send().await.unwrap()).await;
    let token = sim.client.post(service.endpoint()).header("host", host);
    let token = Answer::of(token.send().await.unwrap()).await;

    assert_eq!(logs.status, 200);
    assert_eq!(
        logs.link("self").unwrap(),
        format!("http://{host}/api/v1/logs")
    );
    assert_eq!(token.status, 404);
}
