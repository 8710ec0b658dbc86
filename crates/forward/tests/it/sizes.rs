//! Events larger than an InsightOps entry may be.

use forward::Then;
use serde_json::{Value, json};

use crate::insightops::log_of;
use crate::server::{Reply, Request, Server, status};
use crate::web::deliver;

/// An event of so many bytes, with something in it that may be left out.
fn sized(number: usize, size: usize) -> String {
    let event = |filling: &str| {
        format!(
            r#"{{"n":{number},"uuid":"u-{number}","debugContext":{{"debugData":{{"long":"{filling}"}}}}}}"#
        )
    };
    let event = event(&"x".repeat(size - event("").len()));
    assert_eq!(event.len(), size);
    event
}

#[tokio::test]
async fn entries_of_up_to_32767_bytes_go_as_they_are_and_larger_ones_shrunk() {
    let server = Server::replying(|_, _| status(204)).await;
    let events = [
        sized(0, 32_766),
        sized(1, 32_767),
        sized(2, 32_768),
        sized(3, 65_536),
    ];

    let report = deliver(&log_of(&server), events.join("\n")).await;

    assert_eq!((report.settled, &report.then), (4, &Then::Continue));
    let shrunk: Vec<_> = report.shrunk.iter().map(|it| it.index).collect();
    assert_eq!(shrunk, [2, 3]);
    assert_eq!(
        report.shrunk[0].detail,
        "of 32768 bytes at most 32767 fit; left out: long values of debugContext.debugData"
    );
    let mut bodies: Vec<_> = server.bodies();
    bodies.sort_by_key(|body| serde_json::from_str::<Value>(body).unwrap()["n"].as_u64());
    assert_eq!(bodies[..2], events[..2]);
    for (body, event) in bodies.iter().zip(&events).skip(2) {
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["_truncated"], true);
        assert_eq!(body["_original_bytes"], event.len());
        assert_eq!(body["debugContext"], json!({"debugData": {}}));
    }
}

#[tokio::test]
async fn an_entry_found_too_large_is_sent_once_more_at_half_its_size() {
    let server = Server::replying(|_, request| match request.body.len() {
        5001.. => status(413),
        _ => status(204),
    })
    .await;
    let stubborn = format!(r#"{{"n":1,"uuid":"{}"}}"#, "u".repeat(5000));
    let events = [sized(0, 9000), stubborn, sized(2, 5000)].join("\n");

    let report = deliver(&log_of(&server), events).await;

    assert_eq!((report.settled, &report.then), (3, &Then::Continue));
    assert!(report.refused.is_empty());
    let shrunk: Vec<_> = report.shrunk.iter().map(|it| it.index).collect();
    assert_eq!(shrunk, [0, 1]);
    assert!(report.shrunk[1].detail.ends_with("left out: everything"));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn an_entry_that_is_too_large_at_half_its_size_is_refused() {
    let server = Server::replying(|_, request| match number_of_any(request) {
        Some(1) => Reply::Answer(413, String::new(), "too big".to_owned()),
        _ => status(204),
    })
    .await;

    let events = [sized(0, 500), sized(1, 500), sized(2, 500)].join("\n");
    let report = deliver(&log_of(&server), events).await;

    assert_eq!((report.settled, &report.then), (3, &Then::Continue));
    assert_eq!(report.refused.len(), 1);
    let refused = &report.refused[0];
    assert_eq!((refused.index, refused.cause), (1, "too_large"));
    assert_eq!(refused.detail, "it answered with status 413: too big");
    assert_eq!(server.requests().len(), 4);
}

/// The number of an event, also of a shrunk one.
fn number_of_any(request: &Request) -> Option<usize> {
    let event: Value = serde_json::from_slice(&request.body).unwrap();
    event["uuid"].as_str()?.strip_prefix("u-")?.parse().ok()
}
