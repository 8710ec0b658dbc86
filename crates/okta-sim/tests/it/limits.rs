//! Rate limit windows: when they start, what their headers say, whose they are.

use std::time::Duration;

use okta_sim::{Events, Fault, OrgConfig, RateLimits, WindowStart, Windows};

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

#[tokio::test]
async fn a_principal_may_have_a_share_of_its_own() {
    let sim = limited(10, 5).await;
    sim.org().add_token("00second");
    sim.org().set_share("00second", 3).unwrap();
    assert!(sim.org().set_share("00nobody", 3).is_err());

    let second = sim.client.get(sim.url("/api/v1/logs"));
    let second = second.header("authorization", "SSWS 00second");
    let second = Answer::of(second.send().await.unwrap()).await;

    assert_eq!(second.number("x-rate-limit-limit"), 3);
    let first = sim.get("/api/v1/logs").await;
    assert_eq!(first.number("x-rate-limit-limit"), 5);
}

#[tokio::test]
async fn windows_may_follow_each_other_at_an_offset_of_their_own() {
    let starts = WindowStart::Offset { seed: 7 };
    let windows = Windows {
        start: starts,
        ..Windows::default()
    };
    let sim = Fixture::with(OrgConfig { windows, ..quiet() }).await;
    sim.org().add_token("00second");
    let set = |text: &str| sim.org().clock().set(text.parse().unwrap());
    let mut offsets = std::collections::BTreeSet::new();

    for token in [TOKEN, "00second"] {
        let mut resets = std::collections::BTreeSet::new();
        for second in (0..180).step_by(20) {
            set(&format!(
                "2026-03-01T00:{:02}:{:02}Z",
                second / 60,
                second % 60
            ));
            let request = sim.client.get(sim.url("/api/v1/logs"));
            let request = request.header("authorization", format!("SSWS {token}"));
            let answer = Answer::of(request.send().await.unwrap()).await;
            let left = answer.number("x-rate-limit-reset") - date(&answer);
            assert!((1..=60).contains(&left), "{left}");
            resets.insert(answer.number("x-rate-limit-reset"));
        }
        let resets: Vec<_> = resets.into_iter().collect();
        assert!(resets.len() >= 3, "{resets:?}");
        assert!(resets.windows(2).all(|pair| pair[1] - pair[0] == 60));
        offsets.insert(resets[0] % 60);
    }
    assert_eq!(offsets.len(), 2, "{offsets:?}");
}

#[tokio::test]
async fn the_record_tells_principal_and_window_of_each_request() {
    let sim = limited(20, 2).await;
    for _ in 0..3 {
        sim.get("/api/v1/logs").await;
    }
    sim.org().clock().advance(Duration::from_secs(61));
    sim.get("/api/v1/logs").await;

    let id = sim.org().token_id(TOKEN).unwrap();
    assert!(
        id.starts_with("00T") && id.len() == 20 && id != TOKEN,
        "{id}"
    );
    let seen: Vec<_> = sim
        .org()
        .requests()
        .into_iter()
        .map(|request| {
            assert_eq!(request.principal.as_ref(), Some(&id));
            let window = request.window.unwrap();
            assert!(window.resets_at > request.at);
            (
                request.status.unwrap(),
                window.number,
                window.limit,
                window.remaining,
            )
        })
        .collect();

    assert_eq!(
        seen,
        [
            (200, 1, 2, 1),
            (200, 1, 2, 0),
            (429, 1, 2, 0),
            (200, 2, 2, 1)
        ]
    );
}

#[tokio::test]
async fn one_request_too_many_at_once_gets_the_concurrency_429() {
    let sim = Fixture::with(OrgConfig {
        concurrency: Some(1),
        retry_after: true,
        violations_in_log: true,
        ..quiet()
    })
    .await;
    sim.persist(0, 1);
    sim.org().inject(Fault::HungBody.once());
    let held = sim.request("/api/v1/logs").send().await.unwrap();

    let refused = sim.get("/api/v1/logs").await;

    assert_eq!((refused.status, refused.code().as_str()), (429, "E0000047"));
    assert_eq!(refused.number("x-rate-limit-limit"), 0);
    assert_eq!(refused.number("x-rate-limit-remaining"), 0);
    assert_eq!(refused.number("retry-after"), 60);
    assert_eq!(sim.get("/.well-known/okta-organization").await.status, 200);
    sim.org().clear_faults();
    assert_eq!(Answer::of(held).await.numbers(), [0]);
    let after = sim.get("/api/v1/logs").await.json();
    assert_eq!(
        after[1]["eventType"],
        "core.concurrency.org.limit.violation"
    );
}

#[tokio::test]
async fn a_used_up_org_bucket_is_told_apart_from_a_used_up_share() {
    let limits = RateLimits { org: 1, token: 2 };
    let sim = Fixture::with(OrgConfig {
        limits,
        violations_in_log: true,
        ..quiet()
    })
    .await;
    sim.get("/api/v1/logs").await;
    let refused = sim.get("/api/v1/logs").await;
    assert_eq!(
        (refused.status, refused.number("x-rate-limit-limit")),
        (429, 2)
    );
    assert_eq!(refused.header("retry-after"), None);

    sim.org().clock().advance(Duration::from_secs(61));
    let events = sim.get("/api/v1/logs").await.json();
    assert_eq!(events[0]["eventType"], "system.org.rate_limit.violation");
}
