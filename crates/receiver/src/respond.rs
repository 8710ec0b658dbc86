//! Says what each request gets, by its path.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::faults::{Fault, When, status_code};
use crate::inbox::Inbox;
use crate::webhook::{self, LARGEST_BODY};
use crate::{insightops, query};

const INSIGHTOPS: &str = "/v1/noformat/";
/// Where redirects lead to.
const MOVED: &str = "/moved";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub(crate) type Answer = Response<Full<Bytes>>;

/// The connection is to be broken instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
pub(crate) struct Broken;

/// Serves one request.
pub(crate) async fn respond<B>(
    inbox: Inbox,
    local: SocketAddr,
    request: Request<B>,
) -> Result<Answer, Broken>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path == MOVED {
        inbox.state().counts.redirects_followed += 1;
        return Ok(empty(StatusCode::OK));
    }
    let kind = match (&head.method, path) {
        (&Method::GET, "/healthz") => return Ok(health(&inbox)),
        (&Method::GET, "/counts") => return Ok(json_answer(StatusCode::OK, &counts(&inbox))),
        (&Method::GET, path) if path.starts_with(query::RUNNING) => {
            let search = head.uri.query().unwrap_or_default();
            return search_log(&inbox, &head.headers, local, (path, search)).await;
        }
        (&Method::POST, path) => match path.strip_prefix(INSIGHTOPS) {
            Some(token) => Delivery::Entry(token),
            None if inbox.config().paths.iter().any(|taken| taken == path) => Delivery::Webhook,
            None => return Ok(empty(StatusCode::NOT_FOUND)),
        },
        _ => return Ok(empty(StatusCode::NOT_FOUND)),
    };
    let limit = usize::try_from(LARGEST_BODY).unwrap_or(usize::MAX);
    let Ok(body) = Limited::new(body, limit).collect().await else {
        return Ok(empty(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let body = body.to_bytes();
    let now = Instant::now();
    let fault = inbox.arrived(now);
    let waiting = Waiting(&inbox);
    let answer = async {
        let late = match before(&inbox, fault).await? {
            Course::Answer(answer) => return Ok(*answer),
            Course::Record(late) => late,
        };
        let answer = kind.record(&inbox, &head.headers, body, now);
        late.live_through().await?;
        Ok(answer)
    };
    let answer = answer.await;
    waiting.answered();
    answer
}

/// A sender that waits for its answer; dropped early when it leaves.
struct Waiting<'a>(&'a Inbox);

impl Waiting<'_> {
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().counts.abandoned += 1;
    }
}

/// What a fault leaves to be done.
enum Course {
    /// This is the answer; nothing is recorded.
    Answer(Box<Answer>),
    Record(Late),
}

/// What is still to go wrong once events are recorded.
enum Late {
    Nothing,
    Reset,
    Hold(CancellationToken),
    Delay(Duration),
}

impl Late {
    async fn live_through(self) -> Result<(), Broken> {
        match self {
            Self::Nothing => {}
            Self::Reset => return Err(Broken),
            Self::Hold(release) => release.cancelled().await,
            Self::Delay(time) => tokio::time::sleep(time).await,
        }
        Ok(())
    }
}

/// Lives through the part of a fault that comes before the recording.
async fn before(inbox: &Inbox, fault: Option<Fault>) -> Result<Course, Broken> {
    let release = || inbox.state().faults.release();
    let late = match fault {
        None => Late::Nothing,
        Some(Fault::Status {
            status,
            retry_after,
        }) => {
            let answer = refusal(status_code(status), retry_after);
            return Ok(Course::Answer(Box::new(answer)));
        }
        Some(Fault::Reset(When::BeforeRecording)) => return Err(Broken),
        Some(Fault::Reset(When::AfterRecording)) => Late::Reset,
        Some(Fault::Hold(When::BeforeRecording)) => {
            let release = release();
            release.cancelled().await;
            Late::Nothing
        }
        Some(Fault::Hold(When::AfterRecording)) => Late::Hold(release()),
        Some(Fault::Delay(time)) => Late::Delay(time),
    };
    Ok(Course::Record(late))
}

/// What was posted, by its path.
enum Delivery<'a> {
    /// An InsightOps entry with this token.
    Entry(&'a str),
    Webhook,
}

impl Delivery<'_> {
    fn record(self, inbox: &Inbox, headers: &HeaderMap, body: Bytes, now: Instant) -> Answer {
        match self {
            Self::Entry(token) => entry(inbox, token, &body, now),
            Self::Webhook => batch(inbox, headers, body, now),
        }
    }
}

fn entry(inbox: &Inbox, token: &str, body: &Bytes, now: Instant) -> Answer {
    let Some(token) = insightops::token(token) else {
        inbox.state().counts.insightops.malformed_token += 1;
        return empty(StatusCode::NOT_FOUND);
    };
    let Some(kept) = insightops::keep(body) else {
        inbox.state().counts.insightops.too_large += 1;
        return empty(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let tokens = &inbox.config().tokens;
    let known = tokens.is_empty() || tokens.contains(&token);
    inbox.record_entries(&kept, known, now);
    empty(StatusCode::NO_CONTENT)
}

fn batch(inbox: &Inbox, headers: &HeaderMap, body: Bytes, now: Instant) -> Answer {
    match webhook::read(headers, body) {
        Ok(batch) => {
            let key = headers.get(&IDEMPOTENCY_KEY).map(HeaderValue::as_bytes);
            inbox.record_batch(&batch, key, now);
            empty(StatusCode::OK)
        }
        Err(why) => {
            inbox.state().counts.webhook.refused += 1;
            let status = match why {
                webhook::Refused::Type | webhook::Refused::Encoding => {
                    StatusCode::UNSUPPORTED_MEDIA_TYPE
                }
                webhook::Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                webhook::Refused::Gzip | webhook::Refused::Utf8 | webhook::Refused::Json => {
                    StatusCode::BAD_REQUEST
                }
            };
            json_answer(status, &json!({ "message": why.to_string() }))
        }
    }
}

async fn search_log(
    inbox: &Inbox,
    headers: &HeaderMap,
    local: SocketAddr,
    (path, search): (&str, &str),
) -> Result<Answer, Broken> {
    let Some(log) = &inbox.config().read_back else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let fault = inbox.state().faults.take(true, Instant::now());
    let late = match before(inbox, fault).await? {
        Course::Answer(answer) => return Ok(*answer),
        Course::Record(late) => late,
    };
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(&HOST).map_or_else(|| local.to_string(), str::to_owned);
    let origin = format!("http://{host}");
    let (status, body) = query::answer(
        &mut inbox.state(),
        log,
        text(&API_KEY),
        (path, search, &origin),
    );
    late.live_through().await?;
    Ok(json_answer(status, &body))
}

/// 200 once an event has arrived, so that "healthy" means that events flow.
fn health(inbox: &Inbox) -> Answer {
    let mut counts = counts(inbox);
    if inbox.counts().events > 0 {
        return json_answer(StatusCode::OK, &counts);
    }
    if let Some(counts) = counts.as_object_mut() {
        counts.insert("detail".to_owned(), "no event has arrived yet".into());
    }
    json_answer(StatusCode::SERVICE_UNAVAILABLE, &counts)
}

fn counts(inbox: &Inbox) -> Value {
    // Numbers in named fields are always JSON.
    serde_json::to_value(inbox.counts()).unwrap_or_default()
}

fn refusal(status: StatusCode, retry_after: Option<u64>) -> Answer {
    let mut answer = empty(status);
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if status.is_redirection() {
        let moved = HeaderValue::from_static(MOVED);
        answer.headers_mut().insert(LOCATION, moved);
    }
    answer
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::from(format!("{body}\n")));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
