//! One answer: its head, and its body within time and size.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use model::cursor::Cursor;
use model::origin::Origin;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use crate::body::{self, Bounds};
use crate::error::OktaError;
use crate::failure::{Failure, Salvage};
use crate::rate::RateHeaders;
use crate::refusal::Refusal;

/// How much of an answer that is no page is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// An answer whose head has arrived.
pub(crate) struct Exchange<'a> {
    origin: &'a Origin,
    response: Response,
    rate: RateHeaders,
    deadline: Instant,
    idle: Duration,
    /// The request was made as a service app.
    pub(crate) app: bool,
}

impl<'a> Exchange<'a> {
    pub(crate) fn begun(
        origin: &'a Origin,
        response: Response,
        deadline: Instant,
        idle: Duration,
    ) -> Self {
        let rate = RateHeaders::read(response.headers());
        Self {
            origin,
            response,
            rate,
            deadline,
            idle,
            app: false,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The first value of a header, if it is plain text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        Some(self.headers().get(name)?.to_str().ok()?.to_owned())
    }

    pub(crate) fn rate(&self) -> RateHeaders {
        self.rate
    }

    /// Okta's clock at the answer.
    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        self.rate.date
    }

    /// What the answer says is wrong with the access token or its proof.
    pub(crate) fn challenge(&self) -> Option<String> {
        self.refusal(&[]).challenge()
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.response.status() == StatusCode::OK
    }

    /// Reads the body, up to a number of decoded bytes.
    pub(crate) async fn read(&mut self, max_bytes: usize) -> Result<Vec<u8>, (OktaError, Vec<u8>)> {
        let bounds = Bounds {
            deadline: self.deadline,
            idle: self.idle,
            max_bytes,
        };
        body::read(&mut self.response, bounds).await
    }

    /// Reads as much of an error body as there is; its status says enough if it breaks off.
    pub(crate) async fn read_refusal(&mut self) -> Vec<u8> {
        match self.read(MAX_REFUSAL_BYTES).await {
            Ok(body) | Err((_, body)) => body,
        }
    }

    pub(crate) fn refusal<'b>(&'b self, body: &'b [u8]) -> Refusal<'b> {
        Refusal {
            origin: self.origin,
            status: self.response.status(),
            headers: self.response.headers(),
            rate: &self.rate,
            body,
            app: self.app,
        }
    }

    /// A failure that knows this answer.
    pub(crate) fn fail(&self, error: OktaError) -> Box<Failure> {
        Box::new(Failure {
            error,
            status: Some(self.response.status().as_u16()),
            rate: Some(self.rate),
            request_id: self.request_id(),
            salvage: None,
        })
    }

    pub(crate) fn salvage(
        &self,
        error: OktaError,
        body: Vec<u8>,
        next: Option<Cursor>,
    ) -> Box<Failure> {
        let mut failure = self.fail(error);
        failure.salvage = Some(Salvage {
            body: Bytes::from(body),
            next,
        });
        failure
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        let id = self
            .response
            .headers()
            .get("x-okta-request-id")?
            .to_str()
            .ok()?;
        Some(id.chars().take(100).collect())
    }
}
