//! Bodies that are compressed, chunked, cut, hung, wrong or too large.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use okta::{ClientConfig, Failure, OktaError, Phase};

use crate::support::{TestOrg, Then, answer, config, fetch, fetch_with, first, impatient};

const GZIP: &str = "content-encoding: gzip";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chunked(chunks: &[&[u8]], end: &str) -> Vec<u8> {
    let mut body = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in chunks {
        write!(body, "{:x}\r\n", chunk.len()).unwrap();
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    [body.as_slice(), end.as_bytes()].concat()
}

/// Events that do not compress, so that a cut falls into the middle of them.
fn random_page() -> Vec<u8> {
    let mut state = 1_u64;
    let mut word = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        format!(r#"{{"a":"{state:x}"}}"#)
    };
    let events: Vec<String> = (0..20_000).map(|_| word()).collect();
    format!("[{}]", events.join(",")).into_bytes()
}

async fn failure_of(answer: Vec<u8>, then: Then, config: ClientConfig) -> Failure {
    let org = TestOrg::new(|_| vec![(answer, then)]).await;
    *fetch_with(config, &org.origin, &first()).await.unwrap_err()
}

/// How many bytes of the body were kept.
fn salvaged(failure: &Failure) -> usize {
    failure.salvage.as_ref().unwrap().body.len()
}

#[tokio::test]
async fn compressed_and_chunked_pages_arrive_whole() {
    let body = random_page();
    let (front, back) = body.split_at(1000);
    for say in [
        answer(200, &[GZIP], &gzip(&body)),
        chunked(&[front, back], "0\r\n\r\n"),
    ] {
        let page = fetch(&TestOrg::saying(say).await).await.unwrap();
        assert_eq!((page.events.len(), page.raw_bytes), (20_000, body.len()));
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_cut_however_it_was_framed() {
    let body = random_page();
    let packed = gzip(&body);
    let half = |whole: Vec<u8>| whole[..whole.len() - body.len() / 10].to_vec();
    let table = [
        half(answer(200, &[], &body)),
        half(answer(200, &[GZIP], &packed)),
        chunked(&[&body[..1000]], ""),
        chunked(&[&body[..1000]], "ff\r\nhalf a chunk"),
        answer(200, &[GZIP], &packed[..packed.len() / 2]),
    ];
    for say in table {
        let failure = failure_of(say, Then::Close, config()).await;
        assert_eq!(
            (&failure.error, failure.status),
            (&OktaError::Cut, Some(200))
        );
        let kept = salvaged(&failure);
        assert!((1..body.len()).contains(&kept), "{kept}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_decompress_is_told_from_a_cut_one() {
    let mut packed = gzip(&random_page());
    let middle = packed.len() / 2;
    packed[middle..middle + 64].fill(0xff);
    for body in [packed.as_slice(), b"[]"] {
        let failure = failure_of(answer(200, &[GZIP], body), Then::KeepOpen, config()).await;
        assert_eq!(failure.error, OktaError::Undecodable);
    }
}

#[tokio::test]
async fn a_malformed_page_leaves_its_body_and_the_way_past_it() {
    let body = b"[{\"a\":\r\n1},{\"b\":}]";
    let org = TestOrg::new(|origin| {
        let next = format!("link: <{origin}/api/v1/logs?after=2>; rel=\"next\"");
        vec![(
            answer(200, &[&next, "x-rate-limit-remaining: 3"], body),
            Then::KeepOpen,
        )]
    })
    .await;

    let failure = fetch(&org).await.unwrap_err();

    assert_eq!(
        failure.error.to_string(),
        "okta's answer is no array of events: expected a value at byte 16"
    );
    assert_eq!(failure.rate.unwrap().remaining, Some(3));
    let salvage = failure.salvage.unwrap();
    assert_eq!(salvage.body.as_ref(), body);
    assert_eq!(
        salvage.next.unwrap().as_str(),
        format!("{}/api/v1/logs?after=2", org.origin)
    );
}

#[tokio::test]
async fn a_page_above_the_cap_is_too_large_once_decompressed() {
    let small = ClientConfig {
        max_page_bytes: 100_000,
        ..config()
    };
    let bomb = gzip(&vec![b' '; 64 << 20]);
    for say in [
        answer(200, &[], &random_page()),
        answer(200, &[GZIP], &bomb),
    ] {
        let failure = failure_of(say, Then::KeepOpen, small.clone()).await;
        assert_eq!(failure.error, OktaError::TooLarge { max_bytes: 100_000 });
        assert!(salvaged(&failure) <= 100_000);
    }
    let fits = [b"[".as_slice(), &vec![b' '; 99_998], b"]"].concat();
    let org = TestOrg::saying(answer(200, &[], &fits)).await;
    assert!(fetch_with(small, &org.origin, &first()).await.is_ok());
}

#[tokio::test]
async fn answers_that_hang_end_with_what_was_waited_for() {
    let long = Duration::from_mins(10);
    let table = [
        (b"".to_vec(), impatient(), Phase::Answer),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), impatient(), Phase::Answer),
        (
            chunked(&[b"[{}"], ""),
            ClientConfig {
                timeout: long,
                ..impatient()
            },
            Phase::Body,
        ),
        (
            chunked(&[b"[{}"], ""),
            ClientConfig {
                idle_timeout: long,
                ..impatient()
            },
            Phase::Body,
        ),
    ];
    for (say, config, phase) in table {
        let failure = failure_of(say, Then::Hang, config).await;
        assert_eq!(failure.error, OktaError::Timeout { phase });
        assert_eq!(
            failure.salvage.map(|salvage| salvage.body.to_vec()),
            match phase {
                Phase::Body => Some(b"[{}".to_vec()),
                Phase::Connect | Phase::Answer => None,
            }
        );
    }
}

#[tokio::test]
async fn a_refusal_counts_by_its_status_even_if_its_body_hangs() {
    let say = b"HTTP/1.1 401 X\r\ncontent-length: 500\r\n\r\n{\"errorCode\"".to_vec();
    let failure = failure_of(say, Then::Hang, impatient()).await;
    assert_eq!(failure.error, OktaError::BadToken { code: None });
}
