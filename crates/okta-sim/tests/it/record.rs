//! The record of requests.

use okta_sim::{AuthorizationKind, OrgConfig};

use crate::support::{Fixture, TOKEN, quiet};

#[tokio::test]
async fn every_request_is_recorded_with_its_answer_and_without_its_token() {
    let sim = Fixture::start().await;
    sim.persist(0, 3);
    let request = sim
        .request("/api/v1/logs?limit=2")
        .header("user-agent", "collector/1");
    let next = crate::support::Answer::of(request.send().await.unwrap())
        .await
        .link("next")
        .unwrap();
    sim.get(&next).await;
    sim.client.get(sim.url("/nowhere")).send().await.unwrap();

    let requests = sim.org().requests();

    assert_eq!(requests.len(), 3);
    let [first, second, third] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(first.target, "/api/v1/logs?limit=2");
    assert_eq!(
        (first.method.as_str(), first.status, first.events),
        ("GET", Some(200), 2)
    );
    assert_eq!(
        (first.limit.as_deref(), first.after.as_deref()),
        (Some("2"), None)
    );
    assert_eq!(first.user_agent.as_deref(), Some("collector/1"));
    assert_eq!(first.authorization, AuthorizationKind::Ssws);
    assert!(second.after.as_deref().unwrap().ends_with("_2"));
    assert_eq!(second.events, 1);
    assert!(first.at <= second.at);
    assert_eq!(
        (third.authorization, third.status),
        (AuthorizationKind::Absent, Some(404))
    );
    assert!(!format!("{requests:?}").contains(TOKEN));
    assert!(!format!("{:?}", sim.sim).contains(TOKEN));
}

#[tokio::test]
async fn old_requests_are_forgotten_but_counted() {
    let sim = Fixture::with(OrgConfig {
        keep_requests: 2,
        ..quiet()
    })
    .await;
    for limit in 1..=5 {
        sim.get(&format!("/api/v1/logs?limit={limit}")).await;
    }

    let kept: Vec<_> = sim
        .org()
        .requests()
        .into_iter()
        .map(|request| request.limit.unwrap())
        .collect();
    assert_eq!(kept, ["4", "5"]);
    assert_eq!(sim.org().request_count(), 5);
}
