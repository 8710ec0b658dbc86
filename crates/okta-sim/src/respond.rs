//! Makes HTTP of an answer, and keeps the record of it.

use std::io::Write as _;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::body::Body;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT,
    VARY,
};
use hyper::{HeaderMap, Request, Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::auth::{Authorization, Principal};
use crate::body::Script;
use crate::busy::InWork;
use crate::clock::time;
use crate::errors::ApiError;
use crate::faults::Fault;
use crate::headers::{self, Giver};
use crate::hosts::Hosts;
use crate::limits::RateHeaders;
use crate::logs::raw_value;
use crate::org::{Org, State};
use crate::record::{RateWindow, RequestRecord};
use crate::rng::Rng;
use crate::route::{self, Call, Outcome};

/// Requests have no longer body than this.
const MAX_BODY: usize = 1 << 20;

/// An answer before it is HTTP.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) giver: Giver,
    pub(crate) content: Content,
    pub(crate) rate: Option<RateHeaders>,
    /// Who was admitted.
    pub(crate) principal: Option<Principal>,
    pub(crate) links: Vec<String>,
    /// Headers of this endpoint alone.
    pub(crate) extra: Vec<(HeaderName, String)>,
    pub(crate) events: usize,
    /// Real time before the answer.
    pub(crate) delay: Option<Duration>,
    /// What goes wrong while the body is sent.
    pub(crate) transport: Option<Fault>,
    /// Ends the hold of a hung body.
    pub(crate) hold: CancellationToken,
}

/// What an answer's body holds.
pub(crate) enum Content {
    Empty,
    Json(Bytes),
    Html(Bytes),
    /// An array of these events.
    Page(Vec<Bytes>),
    /// The same, compressed beforehand for those who take it so.
    Rendered(Bytes, Vec<Bytes>),
}

impl Answer {
    /// A 200 without links or faults.
    pub(crate) fn new(content: Content, rate: Option<RateHeaders>) -> Self {
        Self {
            status: StatusCode::OK,
            giver: Giver::Api,
            content,
            rate,
            principal: None,
            links: Vec::new(),
            extra: Vec::new(),
            events: 0,
            delay: None,
            transport: None,
            hold: CancellationToken::new(),
        }
    }

    pub(crate) fn error(error: &ApiError, rate: Option<RateHeaders>, rng: &mut Rng) -> Self {
        let status = error.status;
        let content = Content::Json(error.body(rng));
        Self {
            status,
            giver: Giver::of(status),
            ..Self::new(content, rate)
        }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            ..Self::new(Content::Empty, None)
        }
    }

    /// The gateway's own page.
    pub(crate) fn html(status: StatusCode) -> Self {
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>{status}</body>\r\n</html>\r\n"
        );
        Self {
            status,
            giver: Giver::Gateway,
            ..Self::new(Content::Html(Bytes::from(page)), None)
        }
    }

    /// What a host answers that is no org: not even Okta's usual error body.
    pub(crate) fn no_org() -> Self {
        let content = Content::Json(Bytes::from_static(
            br#"{"status":404,"message":"Resource not found"}"#,
        ));
        Self {
            status: StatusCode::NOT_FOUND,
            giver: Giver::Gateway,
            ..Self::new(content, None)
        }
    }
}

impl Content {
    /// The body as it is without compression.
    pub(crate) fn bytes(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Json(bytes) | Self::Html(bytes) => bytes,
            Self::Page(events) | Self::Rendered(_, events) => {
                let size = events.iter().map(|event| event.len() + 1).sum::<usize>() + 2;
                let mut page = BytesMut::with_capacity(size).writer();
                // Writing to memory does not fail.
                let _written = write_page(&mut page, &events);
                page.into_inner().freeze()
            }
        }
    }

    pub(crate) fn gzip(self) -> Bytes {
        if let Self::Rendered(compressed, _) = self {
            return compressed;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail.
        let _written = match &self {
            Self::Empty => Ok(()),
            Self::Json(bytes) | Self::Html(bytes) => encoder.write_all(bytes),
            Self::Page(events) | Self::Rendered(_, events) => write_page(&mut encoder, events),
        };
        encoder.finish().map(Bytes::from).unwrap_or_default()
    }
}

fn write_page(out: &mut impl std::io::Write, events: &[Bytes]) -> std::io::Result<()> {
    out.write_all(b"[")?;
    for (n, event) in events.iter().enumerate() {
        if n > 0 {
            out.write_all(b",")?;
        }
        out.write_all(event)?;
    }
    out.write_all(b"]")
}

/// Serves one request of a connection; `scheme` and `local` say how it came in.
pub(crate) async fn respond<B>(
    hosts: &Hosts,
    scheme: &'static str,
    local: std::net::SocketAddr,
    request: Request<B>,
) -> Response<Script>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (request, body) = request.into_parts();
    let host = header(&request.headers, &HOST).unwrap_or_else(|| local.to_string());
    let org = hosts.org(&host);
    let accepted = header(&request.headers, &ACCEPT_ENCODING);
    // Recorded answers of the token endpoint are never compressed.
    let gzip =
        accepted.is_some_and(|value| wants_gzip(&value)) && request.uri.path() != route::TOKEN;
    // A body that is cut or far too long is as good as none: no endpoint takes an empty one.
    let body = Limited::new(body, MAX_BODY).collect().await;
    let busy = org.busy().begin();
    let call = Call {
        now_ms: org.clock().now_ms(),
        method: request.method.clone(),
        path: request.uri.path().to_owned(),
        query: request.uri.query().unwrap_or_default().to_owned(),
        origin: format!("{scheme}://{host}"),
        authorization: Authorization::of(&request.headers),
        proofs: all(&request.headers, "dpop"),
        form: header(&request.headers, &CONTENT_TYPE).is_some_and(|value| is_form(&value)),
        body: body.map(Collected::to_bytes).unwrap_or_default(),
        in_work: org.busy().count(),
    };
    let number = org.state().records.open(RequestRecord {
        at: time(call.now_ms),
        method: call.method.to_string(),
        target: request
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        authorization: call.authorization.kind,
        principal: None,
        window: None,
        proof: !call.proofs.is_empty(),
        after: raw_value(&call.query, "after"),
        limit: raw_value(&call.query, "limit"),
        user_agent: header(&request.headers, &USER_AGENT),
        status: None,
        events: 0,
    });
    let (answer, head) = decide(org, call, number, &host).await;
    if let Some(delay) = answer.delay {
        tokio::time::sleep(delay).await;
    }
    render(answer, head, gzip, busy)
}

/// Waits out a hold, then decides; gives the answer and its headers.
async fn decide(org: &Org, mut call: Call, number: usize, host: &str) -> (Answer, HeaderMap) {
    loop {
        let hold = {
            let mut state = org.state();
            match route::answer(&mut state, org.config(), &call) {
                Outcome::Answer(answer) => {
                    note(&mut state, number, &answer);
                    let now = time(call.now_ms);
                    let mut head =
                        headers::common(answer.giver, now, host, answer.rate, &mut state.rng);
                    headers::links(&mut head, &answer.links, org.config().links);
                    headers::extra(&mut head, &answer.extra);
                    if org.config().retry_after && answer.status == StatusCode::TOO_MANY_REQUESTS {
                        headers::retry_after(&mut head, answer.rate, call.now_ms);
                    }
                    return (*answer, head);
                }
                Outcome::Hold(hold) => hold,
            }
        };
        hold.cancelled().await;
        call.now_ms = org.clock().now_ms();
    }
}

/// Closes the record of a request.
fn note(state: &mut State, number: usize, answer: &Answer) {
    let principal = match answer.principal {
        Some(Principal::Token(token)) => state.tokens.id(token).map(str::to_owned),
        Some(Principal::App(app)) => state.oauth.app(app).map(|app| app.client_id.clone()),
        None => None,
    };
    let window = answer.rate.and_then(|rate| {
        Some(RateWindow {
            number: rate.window.filter(|_| principal.is_some())?,
            resets_at: time(rate.reset.saturating_mul(1000)),
            limit: rate.limit,
            remaining: rate.remaining,
        })
    });
    state.records.close(number, |record| {
        record.status = Some(answer.status.as_u16());
        record.events = answer.events;
        record.principal = principal;
        record.window = window;
    });
}

fn render(answer: Answer, mut head: HeaderMap, gzip: bool, busy: InWork) -> Response<Script> {
    let kind = match answer.content {
        Content::Empty => None,
        Content::Html(_) => Some("text/html"),
        Content::Json(_) | Content::Page(_) | Content::Rendered(..) => Some("application/json"),
    };
    if let Some(kind) = kind {
        head.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let body = if gzip && answer.giver == Giver::Api && answer.status == StatusCode::OK {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        head.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        answer.content.gzip()
    } else {
        answer.content.bytes()
    };
    let body = match answer.transport {
        Some(Fault::CutBody) => Script::cut(body),
        Some(Fault::HungBody) => Script::hung(body, answer.hold),
        Some(Fault::SlowBody { piece, pause }) => Script::slow(body, piece, pause),
        _ => Script::whole(body),
    };
    let mut response = Response::new(body.holding(busy));
    *response.status_mut() = answer.status;
    *response.headers_mut() = head;
    response
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect()
}

fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn wants_gzip(accepted: &str) -> bool {
    accepted.split(',').map(str::trim).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}
