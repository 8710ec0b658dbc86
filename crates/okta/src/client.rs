//! The client: one HTTP exchange with one org, within time and size.

use std::sync::Arc;
use std::time::Duration;

use model::net::AllowHosts;
use model::origin::Origin;
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use url::Url;

use crate::auth::{self, Auth};
use crate::error::{OktaError, Phase};
use crate::events::Events;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::oauth::{ProofKey, Sessions};
use crate::page::{self, Page, PageRequest};
use crate::span;
use crate::{link, transport};

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

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An odd setting, or a machine without CA certificates.
    #[error(
        "the HTTP client for Okta cannot be set up, are the system's CA certificates installed?"
    )]
    Http(#[source] reqwest::Error),
    /// The system gives no random numbers.
    #[error(
        "no key can be made to prove the possession of access tokens with, the system has no randomness"
    )]
    NoRandomness,
}

/// A client for any number of orgs; cheap to clone, connections and access tokens are shared and kept.
#[derive(Debug, Clone)]
pub struct OktaClient {
    http: reqwest::Client,
    config: ClientConfig,
    oauth: Arc<(Sessions, ProofKey)>,
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
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(ClientError::Http)?);
        }
        let http = builder.build().map_err(ClientError::Http)?;
        let proof_key = ProofKey::generate().ok_or(ClientError::NoRandomness)?;
        Ok(Self {
            http,
            config,
            oauth: Arc::new((Sessions::default(), proof_key)),
        })
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
        let span = span::begin!("okta.fetch_page", origin, "GET");
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
        let link = link::next(exchange.headers());
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
                date: exchange.date(),
                rate: exchange.rate(),
                request_id: exchange.request_id(),
                raw_bytes,
            }),
            Err((flaw, body)) => Err(exchange.salvage(OktaError::Malformed(flaw), body, next)),
        }
    }

    /// Sends a request for what stands at a URL.
    pub(crate) async fn get<'a>(
        &self,
        origin: &'a Origin,
        url: Url,
        auth: Option<&Auth>,
    ) -> Result<Exchange<'a>, Box<Failure>> {
        let deadline = Instant::now() + self.config.timeout;
        let mut request = self.http.get(url.clone());
        match auth {
            None => {}
            Some(Auth::Ssws(token)) => {
                let header = auth::header("SSWS", token).map_err(Failure::unanswered)?;
                request = request.header(AUTHORIZATION, header);
            }
            Some(Auth::OAuth(app)) => return self.get_as_app(origin, url, app, deadline).await,
        }
        self.send(origin, request, deadline).await
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send<'a>(
        &self,
        origin: &'a Origin,
        request: RequestBuilder,
        deadline: Instant,
    ) -> Result<Exchange<'a>, Box<Failure>> {
        egress::check(&self.config.allow_hosts, origin.is_https(), &origin.host())
            .map_err(|blocked| Failure::unanswered(blocked.into()))?;
        let request = request.header(ACCEPT, "application/json");
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
        Ok(Exchange::begun(
            origin,
            response,
            deadline,
            self.config.idle_timeout,
        ))
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.oauth.0
    }

    pub(crate) fn proof_key(&self) -> &ProofKey {
        &self.oauth.1
    }
}
