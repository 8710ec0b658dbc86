//! Rate limit windows: when they start, what their headers say, whose they are.

use std::time::Duration;

use okta_sim::{Events, OrgConfig, RateLimits};

use crate::support::{Answer, Fixture, TOKEN, quiet};

async fn limited(org: u32, token: u32) -> Fixture {
    Fixture::with(OrgConfig {
        limits: RateLimits { org, token },
        ..quiet()
    })
    .await
}

fn date(answer: &Answer) -> i64 {
    chrono::DateTime::parse_from_rfc2822(answer.header("date").unwrap())
        .unwrap()
        .timestamp()
}

#[tokio::test]
async fn a_window_counts_down_and_resets_60_seconds_after_its_first_request() {
    let sim = limited(4, 2).await;

    let first = sim.get("/api/v1/logs").await;
    assert_eq!(
        (
            first.number("x-rate-limit-limit"),
            first.number("x-rate-limit-remaining")
        ),
        (2, 1)
    );
    assert_eq!(first.number("x-rate-limit-reset"), date(&first) + 60);
    assert_eq!(
        sim.get("/api/v1/logs")
            .await
            .number("x-rate-limit-remaining"),
        0
    );

    let refused = sim.get("/api/v1/logs").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "E0000047"));
    assert_eq!(refused.number("x-rate-limit-limit"), 2);
    assert_eq!(refused.number("x-rate-limit-remaining"), 0);
    assert_eq!(
        refused.number("x-rate-limit-reset"),
        first.number("x-rate-limit-reset")
    );
    assert_eq!(refused.header("retry-after"), None);

    sim.org().clock().advance(Duration::from_secs(61));
    let fresh = sim.get("/api/v1/logs").await;
    assert_eq!(
        (fresh.status, fresh.number("x-rate-limit-remaining")),
        (200, 1)
    );
}

#[tokio::test]
async fn tokens_have_shares_of_their_own_within_the_orgs_limit() {
    let sim = limited(3, 2).await;
    sim.org().add_token("00second");
    let second = || async {
        let request = sim
            .client
            .get(sim.url("/api/v1/logs"))
            .header("authorization", "SSWS 00second");
        Answer::of(request.send().await.unwrap()).await
    };
    for _ in 0..2 {
        assert_eq!(sim.get("/api/v1/logs").await.status, 200);
    }

    let shared = second().await;
    assert_eq!(
        (shared.status, shared.number("x-rate-limit-remaining")),
        (200, 1)
    );

    // The second token has one left, but the org has none.
    let refused = second().await;
    assert_eq!(
        (refused.status, refused.number("x-rate-limit-limit")),
        (429, 2)
    );
}

#[tokio::test]
async fn other_paths_are_other_buckets() {
    let sim = limited(2, 1).await;
    assert_eq!(sim.get("/api/v1/logs").await.status, 200);
    assert_eq!(sim.get("/api/v1/logs").await.status, 429);

    assert_eq!(sim.get("/api/v1/org").await.status, 200);
    assert_eq!(sim.get("/.well-known/okta-organization").await.status, 200);
}

#[tokio::test]
async fn limits_change_while_the_org_runs() {
    let sim = limited(2, 1).await;
    sim.get("/api/v1/logs").await;
    assert_eq!(sim.get("/api/v1/logs").await.status, 429);

    sim.org().set_rate_limits(RateLimits::half_of(10));

    assert_eq!(
        sim.get("/api/v1/logs")
            .await
            .number("x-rate-limit-remaining"),
        3
    );
}

#[tokio::test]
async fn a_violation_stands_in_the_log_once_per_window_if_the_org_says_so() {
    let limits = RateLimits { org: 4, token: 2 };
    let sim = Fixture::with(OrgConfig {
        limits,
        violations_in_log: true,
        ..quiet()
    })
    .await;
    sim.org().persist(Events::from_lines(["{}"]).unwrap());
    for _ in 0..5 {
        sim.get("/api/v1/logs?limit=7").await;
    }
    assert_eq!(sim.org().published_count(), 2);

    sim.org().clock().advance(Duration::from_secs(61));
    let event = sim.get("/api/v1/logs").await.json()[1].clone();

    assert_eq!(event["eventType"], "system.operation.rate_limit.violation");
    assert!(event["outcome"].is_null());
    let data = &event["debugContext"]["debugData"];
    assert_eq!(data["operationRateLimitThreshold"], "2");
    assert_eq!(data["url"], "/api/v1/logs?limit=7");
    assert!(!event.to_string().contains(TOKEN));
}
