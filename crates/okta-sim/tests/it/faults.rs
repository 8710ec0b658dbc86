//! Faults: each shows on the wire what it says, as often as it was asked for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use okta_sim::Fault;

use crate::support::{Answer, Fixture};

const LOGS: &str = "/api/v1/logs?limit=10";

#[tokio::test]
async fn refusals_come_with_their_status_and_body_and_then_all_is_well() {
    let sim = Fixture::start().await;
    sim.persist(0, 20);
    let next = sim.get(LOGS).await.link("next").unwrap();
    let cases = [
        (Fault::RateLimit, 429, "E0000047"),
        (Fault::ConcurrencyLimit, 429, "E0000047"),
        (Fault::InternalError, 500, "E0000009"),
        (Fault::RefusedCursor, 400, "E0000031"),
        (Fault::Html(502), 502, "<html>"),
        (Fault::Html(503), 503, "<html>"),
        (Fault::Html(504), 504, "<html>"),
    ];

    for (fault, status, content) in cases {
        sim.org().inject(fault.clone().times(2));
        for _ in 0..2 {
            let answer = sim.get(&next).await;
            assert_eq!(answer.status, status, "{fault:?}");
            assert!(
                answer.text().contains(content),
                "{fault:?}: {}",
                answer.text()
            );
            assert_eq!(answer.link("next"), None);
        }
        assert_eq!(sim.get(&next).await.numbers().len(), 10, "{fault:?}");
    }
    assert_eq!(sim.org().pending_faults(), 0);
}

#[tokio::test]
async fn the_two_429s_differ_in_their_limit() {
    let sim = Fixture::start().await;
    sim.org().inject(Fault::RateLimit.once());
    sim.org().inject(Fault::ConcurrencyLimit.once());

    let (rate, concurrency) = (sim.get(LOGS).await, sim.get(LOGS).await);

    assert!(rate.number("x-rate-limit-limit") > 0);
    assert_eq!(rate.number("x-rate-limit-remaining"), 0);
    assert_eq!(concurrency.number("x-rate-limit-limit"), 0);
    assert_eq!(concurrency.number("x-rate-limit-remaining"), 0);
    assert!(concurrency.number("x-rate-limit-reset") > 0);
}

#[tokio::test]
async fn spoiled_pages_are_intact_as_http_and_wrong_as_content() {
    let sim = Fixture::start().await;
    sim.persist(0, 5);
    let raw = Bytes::from_static(b"[{\"n\":99}]");
    let cases = [
        (Fault::TruncatedPage, b"[{\"n\":0},".as_slice()),
        (Fault::ObjectPage, b"{"),
        (Fault::GarbagePage, b"\x00"),
        (Fault::RawPage(raw.clone()), raw.as_ref()),
    ];

    for (fault, start) in cases {
        sim.org().inject(fault.clone().once());
        let answer = sim.get(LOGS).await;
        assert_eq!(answer.status, 200, "{fault:?}");
        assert!(answer.body.starts_with(start), "{fault:?}");
        let array = serde_json::from_slice::<Vec<serde_json::Value>>(&answer.body);
        assert_eq!(
            array.is_ok(),
            matches!(fault, Fault::RawPage(_)),
            "{fault:?}"
        );
        assert!(answer.link("next").is_some(), "{fault:?}");
        assert_eq!(sim.org().unread(), 5, "{fault:?}");
    }
    assert_eq!(sim.get(LOGS).await.numbers().len(), 5);
}

#[tokio::test]
async fn a_truncated_empty_page_is_no_json_either() {
    let sim = Fixture::start().await;
    sim.org().inject(Fault::TruncatedPage.once());

    let answer = sim.get(LOGS).await;

    assert!(
        serde_json::from_slice::<serde_json::Value>(&answer.body).is_err(),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_cut_body_breaks_in_the_middle_of_the_page() {
    let sim = Fixture::start().await;
    sim.persist(0, 1000);
    sim.org().inject(Fault::CutBody.once());

    let mut response = sim.request("/api/v1/logs?limit=1000").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut received = 0;
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };

    assert!(broken);
    assert!(received > 0);
    assert_eq!(sim.org().unread(), 1000);
    assert_eq!(
        sim.get("/api/v1/logs?limit=1000").await.numbers().len(),
        1000
    );
}

#[tokio::test]
async fn a_hung_body_sends_half_and_the_rest_once_faults_are_cleared() {
    let sim = Fixture::start().await;
    sim.persist(0, 10);
    sim.org().inject(Fault::HungBody.until_cleared());

    let impatient = sim
        .request(LOGS)
        .timeout(Duration::from_millis(300))
        .send()
        .await
        .unwrap();
    assert_eq!(impatient.status(), 200);
    assert!(impatient.bytes().await.unwrap_err().is_timeout());

    let plain = reqwest::Client::builder().gzip(false).build().unwrap();
    let request = plain
        .get(sim.url(LOGS))
        .header("authorization", "SSWS 00canary-token");
    let mut response = request.send().await.unwrap();
    let half = response.chunk().await.unwrap().unwrap();
    assert!(half.starts_with(b"[{\"n\":0}"), "{half:?}");
    sim.org().clear_faults();
    let rest = response.chunk().await.unwrap().unwrap();
    assert_eq!(rest.last(), Some(&b']'));
    assert!(response.chunk().await.unwrap().is_none());
    assert_eq!(sim.get(LOGS).await.numbers().len(), 10);
}

#[tokio::test]
async fn a_request_hung_before_its_headers_is_served_once_faults_are_cleared() {
    let sim = Fixture::start().await;
    sim.persist(0, 1);
    sim.org().inject(Fault::HungBeforeHeaders.once());

    let impatient = sim
        .request(LOGS)
        .timeout(Duration::from_millis(300))
        .send()
        .await;
    assert!(impatient.unwrap_err().is_timeout());
    assert_eq!(sim.org().requests()[0].status, None);

    sim.org().inject(Fault::HungBeforeHeaders.once());
    let (answer, ()) = tokio::join!(sim.get(LOGS), async {
        while sim.org().pending_faults() > 0 {
            tokio::task::yield_now().await;
        }
        sim.persist(1, 1);
        sim.org().clear_faults();
    });
    assert_eq!(answer.numbers(), [0, 1]);
}

#[tokio::test]
async fn a_slow_body_arrives_whole_in_pieces() {
    let sim = Fixture::start().await;
    sim.persist(0, 10);
    let pause = Duration::from_millis(20);
    sim.org()
        .inject(Fault::SlowBody { piece: 10, pause }.once());

    let started = Instant::now();
    let answer = sim.get(LOGS).await;

    assert_eq!(answer.numbers().len(), 10);
    assert!(started.elapsed() >= 5 * pause);
}

#[tokio::test]
async fn short_pages_hide_nothing() {
    let sim = Fixture::start().await;
    sim.persist(0, 7);
    sim.org().inject(Fault::ShortPage(3).until_cleared());

    assert_eq!(
        sim.walk(LOGS).await,
        [vec![0, 1, 2], vec![3, 4, 5], vec![6]]
    );
}

#[tokio::test]
async fn next_links_can_be_missing_or_foreign() {
    let sim = Fixture::start().await;
    sim.persist(0, 20);
    sim.org().inject(Fault::NoNextLink.once());
    sim.org()
        .inject(Fault::ForeignNextLink("https://evil.example".to_owned()).once());

    let missing = sim.get(LOGS).await;
    assert_eq!((missing.numbers().len(), missing.link("next")), (10, None));
    assert!(missing.link("self").is_some());
    let foreign = sim.get(LOGS).await.link("next").unwrap();
    assert!(
        foreign.starts_with("https://evil.example/api/v1/logs?limit=10&after="),
        "{foreign}"
    );
}

#[tokio::test]
async fn a_cursor_is_refused_right_after_the_page_that_held_an_event() {
    let sim = Fixture::start().await;
    sim.persist(0, 40);
    sim.org()
        .inject(Fault::RefusedCursor.once().cursor_past(14));

    let first = sim.get(LOGS).await.link("next").unwrap();
    let second = sim.get(&first).await;
    assert_eq!(second.numbers(), (10..20).collect::<Vec<_>>());
    let third = second.link("next").unwrap();

    assert_eq!(sim.get(LOGS).await.status, 200);
    assert_eq!(sim.get(&third).await.status, 400);
    assert_eq!(sim.get(&third).await.status, 200);
}

#[tokio::test]
async fn a_fault_can_stick_to_the_pages_that_hold_an_event() {
    let sim = Fixture::start().await;
    sim.persist(0, 20);
    sim.org()
        .inject(Fault::TruncatedPage.until_cleared().page_with(5));

    for (target, good) in [
        ("/api/v1/logs?limit=10", false),
        ("/api/v1/logs?limit=6", false),
        ("/api/v1/logs?limit=5", true),
    ] {
        let answer = sim.get(target).await;
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok(),
            good,
            "{target}"
        );
    }
}

#[tokio::test]
async fn faults_of_different_stages_act_together() {
    let sim = Fixture::start().await;
    sim.persist(0, 9);
    sim.org().inject(Fault::ShortPage(2).until_cleared());
    sim.org().inject(Fault::InternalError.once());
    sim.org().inject(Fault::NoNextLink.once());

    assert_eq!(sim.get(LOGS).await.status, 500);
    let short = sim.get(LOGS).await;
    assert_eq!((short.numbers(), short.link("next")), (vec![0, 1], None));
    assert!(sim.get(LOGS).await.link("next").is_some());
}

#[tokio::test]
async fn faults_can_hit_another_path() {
    let sim = Fixture::start().await;
    sim.org().inject(
        Fault::Html(503)
            .once()
            .on_path("/.well-known/okta-organization"),
    );

    assert_eq!(sim.get(LOGS).await.status, 200);
    assert_eq!(sim.get("/.well-known/okta-organization").await.status, 503);
    assert_eq!(sim.get("/.well-known/okta-organization").await.status, 200);
}

#[tokio::test]
async fn refused_callers_use_up_no_fault() {
    let sim = Fixture::start().await;
    sim.org().inject(Fault::InternalError.once());

    let anonymous = sim.client.get(sim.url(LOGS)).send().await.unwrap();

    assert_eq!(Answer::of(anonymous).await.status, 403);
    assert_eq!(sim.org().pending_faults(), 1);
    assert_eq!(sim.try_get(LOGS).await.unwrap().status, 500);
}

#[tokio::test]
async fn the_log_service_has_errors_of_its_own() {
    let sim = Fixture::start().await;
    sim.org().inject(Fault::LogServiceError.once());
    sim.org()
        .inject(Fault::TooSlow(Duration::from_millis(30)).once());

    let lost = sim.get("/api/v1/logs").await;
    let asked = Instant::now();
    let slow = sim.get("/api/v1/logs").await;

    assert_eq!((lost.status, lost.code().as_str()), (500, "E0000053"));
    assert_eq!((slow.status, slow.code().as_str()), (500, "E0000009"));
    assert!(asked.elapsed() >= Duration::from_millis(30));
    assert_eq!(sim.get("/api/v1/logs").await.status, 200);
}
