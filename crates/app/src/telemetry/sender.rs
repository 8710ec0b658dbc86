//! The HTTP client of OTLP: reqwest on rustls, driven by our runtime.
//!
//! Batches are made by threads that belong to no runtime, so each request is a task of ours; those
//! threads only wait for its end. A request is made without any subscriber, or its own logs and spans
//! would be the next thing to send. That an endpoint fails is told once, until it works again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// Sends what is to be sent. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: reqwest::Client,
    runtime: Handle,
    /// The last request failed, and that has been told.
    failing: Arc<AtomicBool>,
}

impl Sender {
    /// A client whose requests carry these headers and end in time. Works as long as the runtime it is
    /// made on.
    pub(super) fn new(
        headers: &[(HeaderName, SecretString)],
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value.expose_secret())?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        let client = reqwest::Client::builder()
            .default_headers(all)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(timeout)
            .build()
            .context("cannot make an HTTP client for OTLP")?;
        Ok(Self {
            client,
            runtime: Handle::current(),
            failing: Arc::default(),
        })
    }

    fn tell(&self, problem: Option<&str>) {
        let before = self.failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !before => tracing::warn!(
                "telemetry cannot be sent: {problem}; what does not go in time is dropped, the service goes on"
            ),
            None if before => tracing::info!("telemetry is sent again"),
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = async move {
            let answer = client.execute(request.try_into()?).await?;
            let status = answer.status();
            let headers = answer.headers().clone();
            let mut response = Response::new(answer.bytes().await?);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok::<_, reqwest::Error>(response)
        };
        let sent = self
            .runtime
            .spawn(sending.with_subscriber(NoSubscriber::new()))
            .await?;
        match &sent {
            Ok(response) if response.status().is_success() => self.tell(None),
            Ok(response) => self.tell(Some(&format!("the endpoint answers {}", response.status()))),
            Err(error) => self.tell(Some(&reason(error))),
        }
        Ok(sent?)
    }
}

/// The innermost cause; the outer ones name the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
