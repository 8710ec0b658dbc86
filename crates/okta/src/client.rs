//! The client: one HTTP exchange with one org, within time and size.

use std::time::Duration;

use bytes::Bytes;
use model::cursor::Cursor;
use model::net::AllowHosts;
use model::origin::Origin;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use url::Url;

use crate::auth::{self, Auth};
use crate::body::{self, Bounds};
use crate::error::{OktaError, Phase};
use crate::events::Events;
use crate::failure::{Failure, Salvage};
use crate::page::{self, Page, PageRequest};
use crate::rate::RateHeaders;
use crate::refusal::Refusal;
use crate::span;
use crate::{link, transport};

/// How much of an answer that is no page is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// How a client behaves towards all orgs.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// For name lookup, connection and TLS together.
    pub connect_timeout: Duration,
    /// For one request from start to end. Okta gives a query 30 s, so it should be longer than that.
    pub timeout: Duration,
    /// For the next bytes once an answer has begun.
    pub idle_timeout: Duration,
    /// The largest page taken, in bytes once decompressed.
    pub max_page_bytes: usize,
    /// Hosts that may be used although they are not https or not public.
    pub allow_hosts: AllowHosts,
    /// An HTTP proxy for all requests; the environment is not asked for one.
    pub proxy: Option<Url>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("okta-collector/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(45),
            idle_timeout: Duration::from_secs(20),
            max_page_bytes: 32 << 20,
            allow_hosts: AllowHosts::default(),
            proxy: None,
        }
    }
}

/// The client cannot be built: an odd setting, or a machine without CA certificates.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for Okta cannot be set up, are the system's CA certificates installed?")]
pub struct ClientError(#[source] reqwest::Error);

/// A client for any number of orgs; cheap to clone, connections are shared and kept.
#[derive(Debug, Clone)]
pub struct OktaClient {
    http: reqwest::Client,
    config: ClientConfig,
}

impl OktaClient {
    /// Sets up a client; nothing is connected yet.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let mut resolvable = config.allow_hosts.clone();
        // The operator chose the proxy, so it may be a private host.
        if let Some(host) = config.proxy.as_ref().and_then(Url::host) {
            resolvable.insert(&host);
        }
        let mut builder = egress::builder(resolvable)
            .user_agent(&config.user_agent)
            .connect_timeout(config.connect_timeout);
        if let Some(proxy) = &config.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(ClientError)?);
        }
        let http = builder.build().map_err(ClientError)?;
        Ok(Self { http, config })
    }

    /// Asks for one page.
    ///
    /// # Errors
    /// What went wrong by meaning, with rate headers whenever there was an answer. A page (status 200)
    /// that cannot be used leaves its body and next link in [`Failure::salvage`].
    pub async fn fetch_page(
        &self,
        origin: &Origin,
        auth: &Auth,
        request: &PageRequest,
    ) -> Result<Page, Box<Failure>> {
        let span = span::begin!("okta.fetch_page", origin);
        let fetching = self.try_page(origin, auth, request);
        span::end(&span, fetching.instrument(span.clone()).await)
    }

    async fn try_page(
        &self,
        origin: &Origin,
        auth: &Auth,
        request: &PageRequest,
    ) -> Result<Page, Box<Failure>> {
        let url = request.url(origin).map_err(Failure::unanswered)?;
        let mut exchange = self.get(origin, url, Some(auth)).await?;
        if !exchange.is_ok() {
            let body = exchange.read_refusal().await;
            let is_next = matches!(request, PageRequest::Next { .. });
            return Err(exchange.fail(exchange.refusal(&body).of_page(is_next)));
        }
        let link = link::next(exchange.response.headers());
        let next = page::next_cursor(origin, link).map_err(|error| exchange.fail(error))?;
        let body = match exchange.read(self.config.max_page_bytes).await {
            Ok(body) => body,
            Err((error, body)) => return Err(exchange.salvage(error, body, next)),
        };
        let raw_bytes = body.len();
        match Events::cut(body) {
            Ok(events) => Ok(Page {
                events,
                next,
                date: exchange.rate.date,
                rate: exchange.rate,
                request_id: exchange.request_id(),
                raw_bytes,
            }),
            Err((flaw, body)) => Err(exchange.salvage(OktaError::Malformed(flaw), body, next)),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn get<'a>(
        &self,
        origin: &'a Origin,
        url: Url,
        auth: Option<&Auth>,
    ) -> Result<Exchange<'a>, Box<Failure>> {
        egress::check(&self.config.allow_hosts, origin.is_https(), &origin.host())
            .map_err(|blocked| Failure::unanswered(blocked.into()))?;
        let mut request = self.http.get(url).header(ACCEPT, "application/json");
        if let Some(auth) = auth {
            request = request.header(
                AUTHORIZATION,
                match auth {
                    Auth::Ssws(token) => auth::header("SSWS", token),
                    Auth::OAuth(_) => Err(OktaError::UnusableToken),
                }
                .map_err(Failure::unanswered)?,
            );
        }
        let deadline = Instant::now() + self.config.timeout;
        let response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let host = origin.host().to_string();
                return Err(Failure::unanswered(transport::no_answer(host, &error)));
            }
            Err(_) => {
                return Err(Failure::unanswered(OktaError::Timeout {
                    phase: Phase::Answer,
                }));
            }
        };
        span::answered(response.status().as_u16());
        let rate = RateHeaders::read(response.headers());
        let idle = self.config.idle_timeout;
        Ok(Exchange {
            origin,
            response,
            rate,
            deadline,
            idle,
        })
    }
}

/// An answer whose head has arrived.
pub(crate) struct Exchange<'a> {
    origin: &'a Origin,
    response: Response,
    rate: RateHeaders,
    deadline: Instant,
    idle: Duration,
}

impl Exchange<'_> {
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

    fn salvage(&self, error: OktaError, body: Vec<u8>, next: Option<Cursor>) -> Box<Failure> {
        let mut failure = self.fail(error);
        failure.salvage = Some(Salvage {
            body: Bytes::from(body),
            next,
        });
        failure
    }

    fn request_id(&self) -> Option<String> {
        let id = self
            .response
            .headers()
            .get("x-okta-request-id")?
            .to_str()
            .ok()?;
        Some(id.chars().take(100).collect())
    }
}
