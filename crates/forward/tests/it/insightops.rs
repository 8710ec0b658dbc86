//! Entries on their way to InsightOps: what is posted, and what each answer means.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forward::{Batch, Destination, Events, Progress, Report, Then};
use model::status::Trouble;
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify};

use crate::server::{Reply, Request, Server, status};
use crate::web::{deliver, numbered, open};

pub(crate) const TOKEN: &str = "6c1f5cb0-9f3a-4a4c-8d2b-2f2d1c9e7a55";

pub(crate) fn log_at(base_url: &str) -> Value {
    json!({ "base_url": base_url, "token": TOKEN })
}

pub(crate) fn log_of(server: &Server) -> Arc<dyn Destination> {
    open("insightops", &log_at(&server.url()))
}

/// How often each body came.
fn times(server: &Server) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for body in server.bodies() {
        *times.entry(body).or_default() += 1;
    }
    times
}

fn number_of(request: &Request) -> usize {
    let event: Value = serde_json::from_slice(&request.body).unwrap();
    event["n"].as_u64().unwrap().try_into().unwrap()
}

/// Asserts that delivery stopped; gives the detail.
fn stopped(report: &Report) -> &str {
    match &report.then {
        Then::Stop { trouble, detail } => {
            assert_eq!(*trouble, Trouble::DestinationRefuses);
            detail
        }
        other => panic!("not stopped: {other:?}"),
    }
}

/// Asserts that delivery is to be tried again; gives the wait asked for and the detail.
fn later(report: &Report) -> (Option<Duration>, &str) {
    match &report.then {
        Then::Retry {
            after,
            trouble,
            detail,
        } => {
            assert_eq!(*trouble, Trouble::DestinationUnavailable);
            (*after, detail)
        }
        other => panic!("not to be tried again: {other:?}"),
    }
}

#[tokio::test]
async fn each_event_is_an_entry_byte_for_byte() {
    let server = Server::replying(|_, _| status(204)).await;
    let odd = [
        r#"{ "a" : 1e400,"a":null}"#,
        "{\"b\":\"\u{2028}\r\\ud800\"}",
        r#"{"c":[]}"#,
    ];

    let report = deliver(&log_of(&server), odd.join("\n")).await;

    assert_eq!(report, Report::all(3));
    assert_eq!(times(&server), odd.map(|it| (it.to_owned(), 1)).into());
    for request in server.requests() {
        let line = format!("POST /v1/noformat/{TOKEN} HTTP/1.1");
        assert_eq!(request.line, line);
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("content-encoding"), "");
        assert!(request.header("user-agent").starts_with("okta-collector/"));
    }
}

#[tokio::test]
async fn a_base_url_may_have_a_path_of_its_own() {
    let server = Server::replying(|_, _| status(204)).await;
    let relay = open("insightops", &log_at(&format!("{}/relay/", server.url())));
    assert_eq!(deliver(&relay, "{}").await, Report::all(1));
    let line = format!("POST /relay/v1/noformat/{TOKEN} HTTP/1.1");
    assert_eq!(server.requests()[0].line, line);
}

#[tokio::test]
async fn as_many_requests_as_allowed_are_under_way_and_never_more() {
    for in_flight in [1, 3, 8] {
        // Answers come only when that many requests have come, so fewer would never end.
        let all = Arc::new(Barrier::new(in_flight));
        let server = Server::start(move |_, _| {
            let all = Arc::clone(&all);
            async move {
                all.wait().await;
                status(204)
            }
        })
        .await;
        let mut settings = log_at(&server.url());
        settings["in_flight"] = json!(in_flight);
        let events = in_flight * 20;

        let report = deliver(&open("insightops", &settings), numbered(events)).await;

        assert_eq!(report, Report::all(events));
        assert_eq!(server.most_at_once(), in_flight);
    }
}

#[tokio::test]
async fn nobody_gets_further_ahead_of_an_unanswered_event_than_the_window() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let server = Server::start(move |_, request| {
        let held = Arc::clone(&held);
        async move {
            match number_of(&request) {
                // The first waits until the last of its window has come.
                0 => held.notified().await,
                7 => held.notify_one(),
                _ => {}
            }
            status(204)
        }
    })
    .await;

    let report = deliver(&log_of(&server), numbered(30)).await;

    assert_eq!(report, Report::all(30));
    let numbers: Vec<_> = server.requests().iter().map(number_of).collect();
    let late = numbers.iter().enumerate().filter(|(at, n)| **n > at + 7);
    assert_eq!(late.count(), 0, "{numbers:?}");
}

/// A server that answers the n-th try of an event, from 0, as the function says.
async fn by_try(script: impl Fn(usize, usize) -> Reply + Send + Sync + 'static) -> Server {
    let tries = Mutex::new(BTreeMap::<usize, usize>::new());
    Server::replying(move |_, request| {
        let event = number_of(request);
        let mut tries = tries.lock().unwrap();
        let tries = tries.entry(event).or_default();
        *tries += 1;
        script(event, *tries - 1)
    })
    .await
}

#[tokio::test]
async fn faults_of_single_requests_are_tried_again_in_place() {
    // Each of these events fails up to three times, each time otherwise.
    let faults = [Reply::Cut, status(503), status(429), status(408)];
    let server = by_try(move |event, tried| match event % 20 {
        fails @ 0..4 if tried < fails => faults[(event + tried) % 4].clone(),
        _ => status(204),
    })
    .await;

    let report = deliver(&log_of(&server), numbered(60)).await;

    assert_eq!(report, Report::all(60));
    let times = times(&server);
    for event in 0..60 {
        let fails = if event % 20 < 4 { event % 20 } else { 0 };
        assert_eq!(times[&format!("{{\"n\":{event}}}")], 1 + fails);
    }
}

#[tokio::test]
async fn an_outage_ends_the_attempt_behind_the_settled_prefix() {
    let outage = |fault: Reply| {
        by_try(move |event, _| match event {
            0..20 | 22 => status(204),
            _ => fault.clone(),
        })
    };
    for (fault, told) in [
        (status(503), "it answered with status 503"),
        (Reply::Cut, "no answer from 127.0.0.1: "),
    ] {
        let server = outage(fault).await;

        let report = deliver(&log_of(&server), numbered(500)).await;

        assert_eq!((report.settled, later(&report).0), (20, None));
        assert!(later(&report).1.starts_with(told), "{report:?}");
        let times = times(&server);
        assert!(times.len() <= 28, "{} events were tried", times.len());
        assert_eq!(times["{\"n\":20}"], 4);
        assert!(times.values().all(|times| *times <= 4));
    }
}

#[tokio::test]
async fn one_who_asks_for_time_gets_it() {
    for refusal in [429, 503] {
        let server = by_try(move |event, _| match event {
            0..3 => status(204),
            _ => Reply::Answer(
                refusal,
                "retry-after: 17\r\n".to_owned(),
                "slow down".to_owned(),
            ),
        })
        .await;

        let report = deliver(&log_of(&server), numbered(100)).await;

        let told = format!("it answered with status {refusal}: slow down");
        let wait = Some(Duration::from_secs(17));
        assert_eq!((report.settled, later(&report)), (3, (wait, told.as_str())));
        assert!(times(&server).values().all(|times| *times == 1));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again_later() {
    let server = Server::replying(|_, _| status(204)).await;
    let gone = log_of(&server);
    drop(server);
    let report = deliver(&gone, numbered(10)).await;
    assert_eq!((report.settled, later(&report).0), (0, None));
}

#[tokio::test]
async fn answers_that_time_does_not_change_stop_at_once() {
    for (refusal, what) in [
        (
            301,
            "the address has moved and redirects are not followed, check region or base_url",
        ),
        (
            302,
            "the address has moved and redirects are not followed, check region or base_url",
        ),
        (400, "the entry was not taken, check region or base_url"),
        (401, "the log may not be written to, check token and region"),
        (403, "the log may not be written to, check token and region"),
        (
            404,
            "there is no such log, check that the token was copied whole and base_url is right",
        ),
        (
            410,
            "this way to send entries has been withdrawn, look for a newer version of the collector",
        ),
    ] {
        let elsewhere = Server::replying(|_, _| status(204)).await;
        let location = format!("location: {}/\r\n", elsewhere.url());
        let server = by_try(move |event, _| match event {
            5.. => Reply::Answer(refusal, location.clone(), String::new()),
            _ => status(204),
        })
        .await;

        let report = deliver(&log_of(&server), numbered(50)).await;

        assert_eq!(report.settled, 5);
        let told = format!("{what}; 127.0.0.1: it answered with status {refusal}");
        assert_eq!(stopped(&report), told);
        assert!(server.requests().len() <= 13);
        assert!(elsewhere.requests().is_empty());
    }
}

#[tokio::test]
async fn an_event_that_is_no_text_is_refused_and_the_others_go_on() {
    let server = Server::replying(|_, _| status(204)).await;
    let lines: &[u8] = b"{\"a\":1}\n{\"b\":\"\xff\"}\n{\"c\":3}\n{\"d\":\"\xed\xa0\x80\"}";

    let report = deliver(&log_of(&server), lines).await;

    assert_eq!((report.settled, &report.then), (4, &Then::Continue));
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|it| (it.index, it.cause))
        .collect();
    assert_eq!(refused, [(1, "not_utf8"), (3, "not_utf8")]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn answers_are_told_one_by_one_while_another_is_waited_for() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let server = Server::start(move |_, request| {
        let held = Arc::clone(&held);
        async move {
            if number_of(&request) == 0 {
                held.notified().await;
            }
            status(204)
        }
    })
    .await;
    let log = log_of(&server);
    let batch = Batch {
        key: "k".to_owned(),
        events: Events::from_lines(numbered(2)),
    };
    let progress = Progress::default();
    let mut delivery = log.deliver(&batch, &progress);

    tokio::select! {
        report = &mut delivery => panic!("the first event was not answered yet: {report:?}"),
        () = progress.next() => release.notify_one(),
    }

    assert_eq!(delivery.await, Report::all(2));
}
