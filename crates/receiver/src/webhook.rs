//! What a generic webhook receiver makes of a body: its headers say how events lie in it.

use std::io::Read;
use std::ops::Range;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

use crate::scan;

/// A body may not be larger than this, unpacked.
pub(crate) const LARGEST_BODY: u64 = 256 << 20;

/// A body, unpacked, and where its events are.
pub(crate) struct Batch {
    pub(crate) body: Bytes,
    pub(crate) events: Vec<Range<usize>>,
}

/// Why a body is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the content type must be application/x-ndjson or application/json")]
    Type,
    #[error("the content encoding must be gzip or none")]
    Encoding,
    #[error("the body is not gzip")]
    Gzip,
    #[error("the body is larger than 256 MiB")]
    TooLarge,
    #[error("the body is not UTF-8")]
    Utf8,
    #[error("the body is not what its content type says, objects only")]
    Json,
}

/// Unpacks a body and finds its events.
pub(crate) fn read(headers: &HeaderMap, body: Bytes) -> Result<Batch, Refused> {
    let body = match header(headers, &CONTENT_ENCODING) {
        "" | "identity" => body,
        "gzip" => unpack(&body)?,
        _ => return Err(Refused::Encoding),
    };
    let kind = header(headers, &CONTENT_TYPE);
    let find = match kind.split(';').next().unwrap_or_default().trim() {
        "application/x-ndjson" => scan::lines,
        "application/json" => scan::values,
        _ => return Err(Refused::Type),
    };
    if std::str::from_utf8(&body).is_err() {
        return Err(Refused::Utf8);
    }
    let events = find(&body).ok_or(Refused::Json)?;
    Ok(Batch { body, events })
}

fn unpack(body: &[u8]) -> Result<Bytes, Refused> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(body)
        .take(LARGEST_BODY + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| Refused::Gzip)?;
    if unpacked.len() as u64 > LARGEST_BODY {
        return Err(Refused::TooLarge);
    }
    Ok(unpacked.into())
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    let value = headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
