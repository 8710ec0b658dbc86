//! Reading a body: bounded in decoded bytes and in time.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use crate::error::{OktaError, Phase};
use crate::transport;

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// When the whole answer must have arrived.
    pub(crate) deadline: Instant,
    /// How long the next bytes may take.
    pub(crate) idle: Duration,
    /// How many bytes there may be once decompressed.
    pub(crate) max_bytes: usize,
}

/// Reads a body to its end.
///
/// On an error what has arrived by then is handed back with it.
pub(crate) async fn read(
    response: &mut Response,
    bounds: Bounds,
) -> Result<Vec<u8>, (OktaError, Vec<u8>)> {
    let mut body = Vec::new();
    loop {
        let until = bounds.deadline.min(Instant::now() + bounds.idle);
        let chunk = match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(error)) => return Err((transport::body_broken(&error), body)),
            Err(_) => return Err((OktaError::Timeout { phase: Phase::Body }, body)),
        };
        if body.len() + chunk.len() > bounds.max_bytes {
            return Err((
                OktaError::TooLarge {
                    max_bytes: bounds.max_bytes,
                },
                body,
            ));
        }
        body.extend_from_slice(&chunk);
    }
}
