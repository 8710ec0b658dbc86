//! Whom the client connects to, and what it makes of connections that fail.

use model::origin::Origin;
use okta::{Auth, ClientConfig, OktaClient, OktaError, Phase};
use tokio::net::TcpListener;
use url::Url;

use crate::support::{TOKEN, TestOrg, Then, answer, config, fetch, fetch_with, first, impatient};

fn origin(text: &str) -> Origin {
    Origin::parse_with(text, true).unwrap()
}

async fn error_of(config: ClientConfig, at: &str) -> OktaError {
    fetch_with(config, &origin(at), &first())
        .await
        .unwrap_err()
        .error
}

fn allowing(hosts: &str) -> ClientConfig {
    ClientConfig {
        allow_hosts: hosts.parse().unwrap(),
        ..config()
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_pages_and_refusals() {
    let answers = vec![
        (answer(200, &[], b"[]"), Then::KeepOpen),
        (
            answer(429, &[], b"{\"errorCode\":\"E0000047\"}"),
            Then::KeepOpen,
        ),
        (answer(200, &[], b"[{}]"), Then::KeepOpen),
    ];
    let org = TestOrg::new(|_| answers).await;
    let client = OktaClient::new(config()).unwrap();
    let auth = Auth::Ssws(TOKEN.to_owned().into());

    for expected in [true, false, true] {
        assert_eq!(
            client
                .fetch_page(&org.origin, &auth, &first())
                .await
                .is_ok(),
            expected
        );
    }

    assert_eq!(org.connections(), 1);
}

#[tokio::test]
async fn hosts_that_are_not_public_are_not_connected_to() {
    let org = TestOrg::saying(answer(200, &[], b"[]")).await;
    let port = org.port;
    let table = [
        (format!("http://127.0.0.1:{port}"), ""),
        (format!("https://127.0.0.1:{port}"), ""),
        (format!("https://localhost:{port}"), ""),
        (format!("https://localhost:{port}"), "10.0.0.0/8,sim"),
        (format!("http://localhost:{port}"), "127.0.0.0/8"),
    ];
    for (at, allowed) in table {
        let host = origin(&at).host().to_string();
        assert_eq!(
            error_of(allowing(allowed), &at).await,
            OktaError::from(egress::Blocked { host }),
            "{at}"
        );
    }
    assert_eq!(org.connections(), 0);

    let at = format!("http://localhost:{port}");
    assert!(
        fetch_with(allowing("localhost"), &origin(&at), &first())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_name_without_address_is_told_from_a_blocked_one() {
    let error = error_of(config(), "https://no-such-org.invalid").await;
    assert_eq!(
        error,
        OktaError::Dns {
            host: "no-such-org.invalid".to_owned()
        }
    );
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);

    let OktaError::Transport { host, reason } = error_of(config(), &at).await else {
        panic!("a connection to nobody failed otherwise");
    };
    assert_eq!(host, "127.0.0.1");
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_unreachable() {
    let org = TestOrg::new(|_| vec![(Vec::new(), Then::Close)]).await;
    let failure = fetch(&org).await.unwrap_err();
    assert_eq!((failure.error.code(), failure.rate), ("unreachable", None));
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 X\r\n\r\n")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    });

    assert_eq!(error_of(config(), &at).await.code(), "tls_failed");
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_with_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("https://{}", listener.local_addr().unwrap());
    let config = ClientConfig {
        timeout: config().timeout,
        ..impatient()
    };

    assert_eq!(
        error_of(config, &at).await,
        OktaError::Timeout {
            phase: Phase::Connect
        }
    );
}

#[tokio::test]
async fn a_configured_proxy_may_be_private_and_gets_the_requests() {
    let mut proxy = TestOrg::saying(answer(200, &[], b"[]")).await;
    let url = Url::parse(&format!("http://localhost:{}", proxy.port)).unwrap();
    let config = ClientConfig {
        proxy: Some(url),
        ..allowing("sim")
    };

    fetch_with(config, &origin("http://sim:8080"), &first())
        .await
        .unwrap();

    let request = proxy.request().await;
    assert!(
        request.starts_with("GET http://sim:8080/api/v1/logs?limit=1000 HTTP/1.1"),
        "{request}"
    );
}
