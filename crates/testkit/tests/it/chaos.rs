//! The proxy, in front of an echo server and of Postgres.

use std::io::ErrorKind;
use std::time::Duration;

use testkit::chaos::ChaosProxy;
use testkit::postgres::TestDb;
use testkit::wait::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_postgres::NoTls;

const LIMIT: Duration = Duration::from_secs(30);
/// How long nothing must happen.
const SILENCE: Duration = Duration::from_millis(200);

/// Starts a server that sends back what it gets, and a proxy in front of it.
async fn echo() -> (ChaosProxy, String) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let url = format!(
        "http://{}/path",
        listener.local_addr().expect("it is bound")
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let proxy = ChaosProxy::in_front_of(&url);
    let address = proxy.url_for(&url);
    let address = address
        .strip_prefix("http://")
        .and_then(|it| it.strip_suffix("/path"));
    let address = address.expect("only the host was replaced").to_owned();
    (proxy, address)
}

async fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address)
        .await
        .expect("the proxy listens")
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream
        .write_all(text.as_bytes())
        .await
        .expect("the connection is up");
}

async fn hear(stream: &mut TcpStream, bytes: usize) -> String {
    let mut heard = vec![0; bytes];
    timeout(LIMIT, stream.read_exact(&mut heard))
        .await
        .expect("in time")
        .expect("heard all");
    String::from_utf8(heard).expect("what was said was text")
}

async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut heard = Vec::new();
    let end = timeout(LIMIT, stream.read_to_end(&mut heard))
        .await
        .expect("in time");
    (heard, end.err().map(|error| error.kind()))
}

#[tokio::test]
async fn bytes_and_ends_pass_unchanged() {
    let (_proxy, address) = echo().await;
    let mut stream = connect(&address).await;
    say(&mut stream, "hello").await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, (b"hello".to_vec(), None));
}

#[tokio::test]
async fn a_cut_resets_what_is_open_and_welcomes_what_comes() {
    let (proxy, address) = echo().await;
    let mut stream = connect(&address).await;
    say(&mut stream, "up").await;
    assert_eq!(hear(&mut stream, 2).await, "up");

    proxy.cut_all();

    assert_eq!(
        rest(&mut stream).await,
        (vec![], Some(ErrorKind::ConnectionReset))
    );
    let mut stream = connect(&address).await;
    say(&mut stream, "again").await;
    assert_eq!(hear(&mut stream, 5).await, "again");
}

#[tokio::test]
async fn refused_is_refused_until_resumed_on_the_same_port() {
    let (proxy, address) = echo().await;
    let mut stream = connect(&address).await;

    proxy.refuse().await;

    let refused = TcpStream::connect(&address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(rest(&mut stream).await.1, Some(ErrorKind::ConnectionReset));

    proxy.resume();

    let mut stream = connect(&address).await;
    say(&mut stream, "back").await;
    assert_eq!(hear(&mut stream, 4).await, "back");
}

#[tokio::test]
async fn a_black_hole_keeps_what_it_swallows_until_resumed() {
    let (proxy, address) = echo().await;
    let mut old = connect(&address).await;
    say(&mut old, "1").await;
    assert_eq!(hear(&mut old, 1).await, "1");

    proxy.black_hole();
    let mut new = connect(&address).await;
    say(&mut old, "old").await;
    say(&mut new, "new").await;
    assert!(timeout(SILENCE, old.read_u8()).await.is_err());
    assert!(timeout(SILENCE, new.read_u8()).await.is_err());

    proxy.resume();
    assert_eq!(hear(&mut old, 3).await, "old");
    assert_eq!(hear(&mut new, 3).await, "new");
}

#[tokio::test]
async fn latency_holds_back_both_ways() {
    let (proxy, address) = echo().await;
    let mut stream = connect(&address).await;
    let latency = Duration::from_millis(100);
    proxy.latency(latency);

    let asked = Instant::now();
    say(&mut stream, "x").await;
    assert_eq!(hear(&mut stream, 1).await, "x");

    assert!(asked.elapsed() >= 2 * latency, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn an_answer_is_cut_at_the_very_byte_once() {
    let (proxy, address) = echo().await;
    let mut stream = connect(&address).await;
    proxy.cut_after(7);

    say(&mut stream, "1234").await;
    assert_eq!(hear(&mut stream, 4).await, "1234");
    say(&mut stream, "5678").await;
    assert_eq!(rest(&mut stream).await.0, b"567");

    let mut stream = connect(&address).await;
    say(&mut stream, "uncut and long").await;
    assert_eq!(hear(&mut stream, 14).await, "uncut and long");
}

#[tokio::test]
async fn a_commit_whose_answer_is_cut_off_is_still_a_commit() {
    let db = TestDb::empty().await;
    let proxy = ChaosProxy::in_front_of(db.url());
    let url = proxy.url_for(db.url());
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("CREATE TABLE t (n int)")
        .await
        .unwrap();

    proxy.cut_after(0);
    assert!(
        client
            .batch_execute("INSERT INTO t VALUES (1)")
            .await
            .is_err()
    );

    let direct = db.client().await;
    until("the row is there", LIMIT, async || {
        let rows = direct
            .query_one("SELECT count(*) FROM t", &[])
            .await
            .unwrap();
        rows.get::<_, i64>(0) == 1
    })
    .await;
}
