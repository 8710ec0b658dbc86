//! Bodies as such: size, type, syntax.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{SOON, TestApi, field};

const PATH: &str = "/v1/credentials";

#[tokio::test]
async fn a_body_of_10_mb_gets_a_clean_answer() {
    let api = TestApi::start().await;
    let body = format!("{{\"name\": \"{}\"}}", "x".repeat(10_000_000));
    let problem = api
        .post_raw(PATH, "application/json", body.clone())
        .await
        .problem(413, "body_too_large");
    assert!(
        problem["detail"].as_str().unwrap().contains("65536 bytes"),
        "{problem}"
    );
    // Also where nobody would read it, and before the path is looked at.
    api.post_raw("/nowhere", "text/plain", body)
        .await
        .problem(413, "body_too_large");
}

/// Sends bytes on a connection of its own and returns all that comes back until it is closed.
async fn exchange(api: &TestApi, request: Vec<u8>) -> String {
    let host = api.address.trim_start_matches("http://").to_owned();
    let exchanging = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(&request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    exchanging.await.unwrap()
}

#[tokio::test]
async fn a_chunked_body_of_10_mb_gets_a_clean_answer() {
    let api = TestApi::start().await;
    let key = api.key("admin").await;
    let mut request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    let chunk = "x".repeat(100_000);
    let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
    request.push_str(&chunk.repeat(100));
    request.push_str("0\r\n\r\n");
    let answer = exchange(&api, request.into_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_too_large\""), "{answer}");
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_refused() {
    let api = TestApi::start().await;
    for request in [
        "transfer-encoding: chunked\r\n\r\nzz\r\n",
        "transfer-encoding: gzip, chunked\r\n\r\n",
    ] {
        let request = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{request}");
        let answer = exchange(&api, request.into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_http_gets_an_answer_too() {
    let api = TestApi::start().await;
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (
            format!(
                "GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n",
                "a: b\r\n".repeat(200)
            ),
            "431",
        ),
    ] {
        let answer = exchange(&api, request.into_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn the_largest_body_is_read() {
    let api = TestApi::start().await;
    let body = format!("{{\"name\": \"x\"{}}}", " ".repeat((64 << 10) - 13));
    assert_eq!(body.len(), 64 << 10);
    let answer = api.post_raw(PATH, "application/json", body.clone()).await;
    assert_eq!(
        answer.field_errors(),
        [field("/domain", "required"), field("/token", "required")]
    );
    api.post_raw(PATH, "application/json", format!("{body} "))
        .await
        .problem(413, "body_too_large");
}

#[tokio::test]
async fn broken_json_is_told_with_its_position() {
    let api = TestApi::start().await;
    for (body, place) in [
        ("{\"name\": \"x\"", "line 1 column 12"),
        ("{\"name\": ", "line 1 column 9"),
        ("{\n  \"name\": tru3}", "line 2 column 14"),
        ("{\"name\": \"x\",}", "line 1 column 14"),
        ("{\"name\": \"x\"} {}", "line 1 column 15"),
        ("{'name': 1}", "line 1 column 2"),
        ("\u{feff}{}", "line 1 column 1"),
    ] {
        let problem = api
            .post_raw(PATH, "application/json", body)
            .await
            .problem(400, "invalid_json");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{body}: {detail}");
    }
    for body in [
        b"".as_slice(),
        b"\xff\xfe",
        b"{\"name\": \"\\ud800\"}",
        &b"[".repeat(1000),
    ] {
        api.post_raw(PATH, "application/json", body.to_vec())
            .await
            .problem(400, "invalid_json");
    }
}

#[tokio::test]
async fn bodies_that_are_no_object_are_refused() {
    let api = TestApi::start().await;
    for body in ["[]", "7", "null", "\"x\"", "true"] {
        let answer = api.post_raw(PATH, "application/json", body).await;
        assert_eq!(answer.field_errors(), [field("", "wrong_type")], "{body}");
    }
}

#[tokio::test]
async fn bodies_must_say_that_they_are_json() {
    let api = TestApi::start().await;
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
        "application/",
    ] {
        api.post_raw(PATH, media, "{}")
            .await
            .problem(415, "unsupported_media_type");
    }
    for media in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/merge-patch+json",
    ] {
        api.post_raw(PATH, media, "{}")
            .await
            .problem(422, "invalid_fields");
    }
    let request = api
        .client
        .post(format!("{}{PATH}", api.address))
        .bearer_auth(api.key("admin").await);
    let request = request.json(&json!({})).header("content-encoding", "gzip");
    let answer = crate::support::Answer::read(request.send().await.unwrap()).await;
    answer.problem(415, "unsupported_media_type");
}
