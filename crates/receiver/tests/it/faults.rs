//! Faults, as a sender lives through them.

use std::time::{Duration, Instant};

use receiver::{Fault, Receiver, ReceiverConfig, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{TOKEN, config, start, until};

#[tokio::test]
async fn a_status_is_answered_so_often_and_nothing_is_recorded() {
    let ends = start(config()).await;
    ends.inbox().inject(Fault::too_many_requests(7).times(2));
    for _ in 0..2 {
        let path = format!("/v1/noformat/{TOKEN}");
        let answer = ends.post(&path, &[], "x").await.unwrap();
        assert_eq!(answer.status(), 429);
        assert_eq!(answer.headers()["retry-after"], "7");
    }
    assert_eq!(ends.counts().events, 0);
    ends.take("x").await;
    let counts = ends.counts();
    assert_eq!((counts.requests, counts.faults, counts.events), (3, 2, 1));
}

#[tokio::test]
async fn a_status_stays_until_it_is_cleared() {
    let ends = start(config()).await;
    for status in [500, 503, 410] {
        ends.inbox().inject(Fault::status(status).until_cleared());
        for _ in 0..3 {
            assert_eq!(ends.entry(TOKEN, "x").await.unwrap(), status);
        }
        ends.inbox().clear_faults();
    }
    ends.take("x").await;
}

#[tokio::test]
async fn a_client_that_follows_a_redirect_is_caught() {
    let ends = start(config()).await;
    ends.inbox().inject(Fault::status(301).until_cleared());
    let path = format!("/v1/noformat/{TOKEN}");
    let answer = ends.post(&path, &[], "x").await.unwrap();
    assert_eq!(answer.status(), 301);
    assert_eq!(ends.counts().redirects_followed, 0);
    let moved = answer.headers()["location"].to_str().unwrap();
    ends.get(moved).await;
    assert_eq!(ends.counts().redirects_followed, 1);
}

#[tokio::test]
async fn a_reset_before_recording_leaves_nothing_and_one_after_it_leaves_the_event() {
    let ends = start(config()).await;
    for (when, events) in [(When::BeforeRecording, 0), (When::AfterRecording, 1)] {
        ends.inbox().inject(Fault::Reset(when).once());
        assert!(ends.entry(TOKEN, "x").await.is_err());
        assert_eq!(ends.counts().events, events, "{when:?}");
    }
    ends.take("x").await;
    assert_eq!(ends.counts().repeats, 1);
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire() {
    let ends = start(config()).await;
    ends.inbox()
        .inject(Fault::Reset(When::AfterRecording).once());
    let mut stream = TcpStream::connect(ends.receiver.addr()).await.unwrap();
    let request =
        format!("POST /v1/noformat/{TOKEN} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx");
    stream.write_all(request.as_bytes()).await.unwrap();
    let error = stream.read(&mut [0; 64]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(ends.counts().events, 1);
}

#[tokio::test]
async fn a_held_answer_comes_when_faults_are_cleared() {
    for (when, held) in [(When::BeforeRecording, 0), (When::AfterRecording, 1)] {
        let ends = start(config()).await;
        ends.inbox().inject(Fault::Hold(when).until_cleared());
        let answer = ends.entry_later("x");
        until("the request is there", || ends.counts().requests == 1).await;
        until("it is recorded or not", || ends.counts().events == held).await;
        for _ in 0..20 {
            ends.get("/counts").await;
        }
        assert!(!answer.is_finished(), "it is held");
        assert_eq!(ends.counts().events, held);
        ends.inbox().clear_faults();
        assert_eq!(answer.await.unwrap(), 204);
        assert_eq!(ends.counts().events, 1);
    }
}

#[tokio::test]
async fn a_sender_that_gives_up_on_a_held_answer_takes_its_event_back() {
    for (when, events) in [(When::BeforeRecording, 0), (When::AfterRecording, 1)] {
        let ends = start(config()).await;
        ends.inbox().inject(Fault::Hold(when).until_cleared());
        let answer = ends.entry_later("x");
        until("the request is there", || ends.counts().requests == 1).await;
        answer.abort();
        until("the sender has left", || ends.counts().abandoned == 1).await;
        ends.inbox().clear_faults();
        assert_eq!(ends.counts().events, events, "{when:?}");
        ends.take("y").await;
        assert_eq!(ends.counts().abandoned, 1);
    }
}

#[tokio::test]
async fn a_delayed_answer_is_late_and_its_event_is_not() {
    let at = std::sync::Arc::new(std::sync::Mutex::new(None));
    let noted = std::sync::Arc::clone(&at);
    let ends = start(ReceiverConfig {
        on_event: Some(std::sync::Arc::new(move |_: &[u8], now| {
            *noted.lock().unwrap() = Some(now);
        })),
        ..config()
    })
    .await;
    let delay = Duration::from_millis(300);
    ends.inbox().inject(Fault::Delay(delay).once());
    ends.take("x").await;
    let arrived: Instant = at.lock().unwrap().unwrap();
    assert!(arrived.elapsed() >= delay);
}

#[tokio::test]
async fn random_faults_hit_the_same_requests_for_the_same_seed() {
    let mut runs = Vec::new();
    for seed in [3, 3, 4] {
        let ends = start(ReceiverConfig { seed, ..config() }).await;
        ends.inbox()
            .inject(Fault::status(503).until_cleared().share(0.3));
        let mut run = Vec::new();
        for _ in 0..60 {
            run.push(ends.entry(TOKEN, "x").await.unwrap());
        }
        let hit = run.iter().filter(|status| **status == 503).count();
        assert!((6..=30).contains(&hit), "{hit}");
        assert_eq!(ends.counts().faults, hit as u64);
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_receiver_that_goes_away_comes_back_with_its_inbox() {
    let ends = start(config()).await;
    ends.take("before").await;
    let (inbox, addr) = (ends.inbox().clone(), ends.receiver.addr());
    ends.receiver.stop().await;
    let url = format!("http://{addr}/v1/noformat/{TOKEN}");
    assert!(ends.http.post(&url).body("lost").send().await.is_err());
    let receiver = Receiver::serve(inbox, addr).await.unwrap();
    ends.http.post(&url).body("after").send().await.unwrap();
    assert!(receiver.inbox().compare(&["before", "after"]).is_perfect());
}
