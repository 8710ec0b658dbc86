//! Link headers: one line each, the request's own parameters, the host that was asked.

use okta_sim::{LinkStyle, OrgConfig};

use crate::support::{Answer, Fixture, quiet};

#[tokio::test]
async fn links_are_two_lines_with_self_first() {
    let sim = Fixture::start().await;

    let answer = sim.get("/api/v1/logs").await;

    let lines: Vec<_> = answer
        .headers
        .get_all("link")
        .iter()
        .map(|line| line.to_str().unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        lines[0],
        format!("<{}/api/v1/logs>; rel=\"self\"", sim.sim.url())
    );
    assert!(
        lines[1].starts_with(&format!("<{}/api/v1/logs?after=", sim.sim.url())),
        "{}",
        lines[1]
    );
    assert!(lines[1].ends_with("_0>; rel=\"next\""), "{}", lines[1]);
}

#[tokio::test]
async fn links_can_be_joined_in_one_line() {
    let sim = Fixture::with(OrgConfig {
        links: LinkStyle::OneLine,
        ..quiet()
    })
    .await;

    let answer = sim.get("/api/v1/logs").await;

    assert_eq!(answer.headers.get_all("link").iter().count(), 1);
    let line = answer.header("link").unwrap();
    assert!(
        line.contains("; rel=\"self\", <") && line.ends_with("; rel=\"next\""),
        "{line}"
    );
}

#[tokio::test]
async fn links_repeat_all_parameters_percent_encoded_and_end_in_the_cursor() {
    let sim = Fixture::start().await;
    sim.persist(0, 2);
    let since = "2001-02-03T04%3A05%3A06.000%2B00%3A00";
    let target = format!("/api/v1/logs?since={since}&limit=1&sortOrder=ASCENDING&odd=a+b%26c");

    let first = sim.get(&target).await;
    let next = first.link("next").unwrap();

    assert_eq!(
        first.link("self").unwrap(),
        format!("{}{target}", sim.sim.url())
    );
    assert!(
        next.starts_with(&format!("{}{target}&after=", sim.sim.url())),
        "{next}"
    );
    let cursor = next.rsplit('=').next().unwrap();
    let (ms, n) = cursor.split_once('_').unwrap();
    assert!(
        (ms.parse::<i64>().unwrap() - sim.org().clock().now().timestamp_millis()).abs() < 60_000
    );
    assert_eq!(n, "1");
    assert_eq!(sim.get(&next).await.link("self").unwrap(), next);
}

#[tokio::test]
async fn links_carry_the_host_that_was_asked() {
    let sim = Fixture::start().await;

    let request = sim
        .request("/api/v1/logs")
        .header("host", "acme-admin.okta.com");
    let answer = Answer::of(request.send().await.unwrap()).await;

    assert_eq!(
        answer.link("self").unwrap(),
        "http://acme-admin.okta.com/api/v1/logs"
    );
    assert!(
        answer
            .header("content-security-policy")
            .unwrap()
            .contains(" acme-admin.okta.com ")
    );
}
