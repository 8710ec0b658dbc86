//! Request bodies: read whole before anything else, limited in size and time, then parsed as JSON.
//!
//! A body that is too large is read to its end and thrown away, within limits: an answer on a
//! connection with unread bytes would reach the client as a reset connection.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::{Ready, ready};
use tokio::time::timeout;
use utoipa::PartialSchema;

use crate::fields::Fields;
use crate::problem::{Kind, Problem};

/// The largest body that is looked at.
const MAX_BYTES: usize = 64 << 10;
/// How much of a larger one is read before the connection is cut.
const MAX_DRAINED: usize = 64 << 20;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
struct Arrived(Bytes);

/// Reads the body, for whatever comes next.
pub(crate) async fn read_body<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody + use<B>>, Error> {
    let payload = request.take_payload();
    let late = |_| {
        let detail = format!("the body did not arrive within {} s", PATIENCE.as_secs());
        Err(Problem::new(Kind::Timeout, detail))
    };
    let arrived = timeout(PATIENCE, read(payload)).await.unwrap_or_else(late);
    match arrived {
        Ok(body) => {
            request.extensions_mut().insert(Arrived(body));
            Ok(next.call(request).await?.map_into_left_body())
        }
        Err(problem) => Ok(request.error_response(problem).map_into_right_body::<B>()),
    }
}

async fn read(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut body = Vec::new();
    let mut size = 0usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::new(
                Kind::BadRequest,
                format!("the body cannot be read: {error}"),
            )
        })?;
        size = size.saturating_add(chunk.len());
        if size <= MAX_BYTES {
            body.extend_from_slice(&chunk);
        }
        if size > MAX_DRAINED {
            break;
        }
    }
    if size > MAX_BYTES {
        let detail = format!("the body has more than {MAX_BYTES} bytes");
        return Err(Problem::new(Kind::BodyTooLarge, detail));
    }
    Ok(body.into())
}

/// A JSON body that has arrived and is not yet looked at.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Bytes,
    media: Result<(), Problem>,
}

impl Body {
    /// The fields of the body, documented as `T`.
    pub(crate) fn fields<T: PartialSchema>(self) -> Result<Fields, Problem> {
        self.media?;
        if self.bytes.is_empty() {
            let detail = "the body is empty; a JSON object is expected";
            return Err(Problem::new(Kind::InvalidJson, detail));
        }
        // Its messages tell the position and never repeat the body.
        serde_json::from_slice(&self.bytes)
            .map(Fields::of::<T>)
            .map_err(|error| {
                Problem::new(
                    Kind::InvalidJson,
                    format!("the body is not valid JSON: {error}"),
                )
            })
    }
}

impl FromRequest for Body {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let bytes = request
            .extensions()
            .get::<Arrived>()
            .map(|arrived| arrived.0.clone())
            .unwrap_or_default();
        ready(Ok(Self {
            bytes,
            media: check_media(request),
        }))
    }
}

fn check_media(request: &HttpRequest) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(encoding) = text(header::CONTENT_ENCODING)
        && !encoding.eq_ignore_ascii_case("identity")
    {
        return refuse("the body must not be compressed".to_owned());
    }
    let media = text(header::CONTENT_TYPE).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let is_json = ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|json| media.eq_ignore_ascii_case(json));
    match media {
        _ if is_json => Ok(()),
        "" => refuse("the header Content-Type is missing; send application/json".to_owned()),
        _ => refuse("the header Content-Type must be application/json".to_owned()),
    }
}
