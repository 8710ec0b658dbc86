//! An org that says what it is told to say, byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::origin::Origin;
use okta::{Auth, ClientConfig, Failure, OktaClient, Page, PageRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) const TOKEN: &str = "00canary-token";

/// What the org does once an answer is written.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    KeepOpen,
    Close,
    Hang,
}

pub(crate) struct TestOrg {
    pub(crate) origin: Origin,
    pub(crate) port: u16,
    requests: mpsc::UnboundedReceiver<String>,
    connections: Arc<AtomicUsize>,
}

impl TestOrg {
    /// Gives the answers in turn, over however many connections they are asked for.
    pub(crate) async fn new(answers: impl FnOnce(&Origin) -> Vec<(Vec<u8>, Then)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let origin = Origin::parse_with(&format!("http://127.0.0.1:{port}"), true).unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let mut answers = answers(&origin).into_iter();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                while let Some(request) = read_head(&mut stream).await {
                    let (answer, then) = answers.next().unwrap_or((Vec::new(), Then::Hang));
                    // The test may be over when the request is written down.
                    sender.send(request).ok();
                    stream.write_all(&answer).await.ok();
                    match then {
                        Then::KeepOpen => {}
                        Then::Close => break,
                        Then::Hang => std::future::pending().await,
                    }
                }
            }
        });
        Self {
            origin,
            port,
            requests,
            connections,
        }
    }

    /// An org with one answer after which the connection stays open.
    pub(crate) async fn saying(answer: Vec<u8>) -> Self {
        Self::new(|_| vec![(answer, Then::KeepOpen)]).await
    }

    /// The next request that was read, head only; a body is read and forgotten.
    pub(crate) async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn was_asked(&mut self) -> bool {
        self.requests.try_recv().is_ok()
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(head)
}

/// An answer with a right `Content-Length`.
pub(crate) fn answer(status: u16, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

pub(crate) fn config() -> ClientConfig {
    ClientConfig {
        allow_hosts: "127.0.0.0/8".parse().unwrap(),
        ..ClientConfig::default()
    }
}

/// A configuration whose waits end soon, for what never comes.
pub(crate) fn impatient() -> ClientConfig {
    let soon = Duration::from_millis(200);
    ClientConfig {
        connect_timeout: soon,
        timeout: soon,
        idle_timeout: soon,
        ..config()
    }
}

pub(crate) fn first() -> PageRequest {
    PageRequest::First {
        since: None,
        filter: None,
        q: None,
        limit: 1000,
    }
}

pub(crate) async fn fetch_with(
    config: ClientConfig,
    origin: &Origin,
    request: &PageRequest,
) -> Result<Page, Box<Failure>> {
    let auth = Auth::Ssws(TOKEN.to_owned().into());
    OktaClient::new(config)
        .unwrap()
        .fetch_page(origin, &auth, request)
        .await
}

pub(crate) async fn fetch(org: &TestOrg) -> Result<Page, Box<Failure>> {
    fetch_with(config(), &org.origin, &first()).await
}
