//! Asking for an access token: a signed assertion with a proof, posted to the org's own server.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::origin::Origin;
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::Instrument;
use url::{Url, form_urlencoded};

use super::ServiceApp;
use super::jws;
use super::key::PrivateKey;
use super::proof::Proven;
use super::session::{AccessToken, Scheme, Server, Session};
use crate::client::OktaClient;
use crate::error::OktaError;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::span;

const SCOPE: &str = "okta.logs.read";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The largest answer that is read, in bytes; a real one has some thousand.
const MAX_BYTES: usize = 64 << 10;

/// So much of the time for a page may go into its token.
const LONGEST: Duration = Duration::from_secs(15);

/// Okta's answer; nothing prints it.
#[derive(Deserialize)]
struct Granted {
    token_type: String,
    expires_in: u32,
    access_token: String,
}

impl OktaClient {
    /// An access token that lives: the one at hand, or a new one. Those who come while one is asked for
    /// share its outcome.
    pub(super) async fn access_token(
        &self,
        origin: &Origin,
        app: &ServiceApp,
        session: &Session,
        deadline: Instant,
    ) -> Result<Arc<AccessToken>, Box<Failure>> {
        if let Some(token) = session.fresh_token() {
            return Ok(token);
        }
        let asked = Instant::now();
        let mut last = session.flight.lock().await;
        if let Some(token) = session.fresh_token() {
            return Ok(token);
        }
        if let Some((at, failure)) = last.as_ref()
            && *at >= asked
        {
            return Err(failure.clone());
        }
        let deadline = deadline.min(Instant::now() + LONGEST);
        let span = span::begin!("okta.fetch_token", origin, "POST");
        let asking = self.grant(origin, app, session, deadline);
        match span::end(&span, asking.instrument(span.clone()).await) {
            Ok(token) => Ok(session.keep(token)),
            Err(mut failure) => {
                // They tell of the token endpoint's budget, and the caller asks for that of the log.
                failure.rate = None;
                *last = Some((Instant::now(), failure.clone()));
                session.living_token().ok_or(failure)
            }
        }
    }

    async fn grant(
        &self,
        origin: &Origin,
        app: &ServiceApp,
        session: &Session,
        deadline: Instant,
    ) -> Result<AccessToken, Box<Failure>> {
        let unsent = |error| Failure::unanswered(error);
        let key = PrivateKey::parse(&app.key.private_key)
            .map_err(|error| unsent(OktaError::UnusableKey(error)))?;
        let url = origin.url("/oauth2/v1/token");
        let (mut other_nonce, mut other_time) = (false, false);
        loop {
            let now = self.time_of(origin, session, deadline).await?;
            let nonce = session.nonce(Server::Authorization);
            let request = self
                .token_request(app, &key, &url, now, nonce.as_deref())
                .ok_or_else(|| unsent(OktaError::CannotSign))?;
            let mut exchange = self.send(origin, request, deadline).await?;
            let late = session.hear(exchange.date(), Some(now));
            let asks = session.take_nonce(
                Server::Authorization,
                exchange.header("dpop-nonce"),
                nonce.as_deref(),
            );
            if exchange.is_ok() {
                return granted(&mut exchange, session.now().unwrap_or(now)).await;
            }
            let body = exchange.read_refusal().await;
            let error = exchange.refusal(&body).of_grant();
            match &error {
                OktaError::NoAccessToken { code, .. }
                    if asks && !other_nonce && code == "use_dpop_nonce" =>
                {
                    other_nonce = true;
                }
                OktaError::NoAccessToken { .. } if late && !other_time => other_time = true,
                _ => return Err(exchange.fail(error)),
            }
        }
    }

    /// Okta's time. The first time it is asked for: any answer tells it, this one needs no credential.
    async fn time_of(
        &self,
        origin: &Origin,
        session: &Session,
        deadline: Instant,
    ) -> Result<DateTime<Utc>, Box<Failure>> {
        if let Some(now) = session.now() {
            return Ok(now);
        }
        let url = origin.url("/.well-known/okta-organization");
        let exchange = self.send(origin, self.http().get(url), deadline).await?;
        session.hear(exchange.date(), None);
        session.now().ok_or_else(|| {
            exchange.fail(OktaError::NoDate {
                host: origin.host().to_string(),
            })
        })
    }

    /// A request for a token, with an assertion and a proof that have never been used.
    fn token_request(
        &self,
        app: &ServiceApp,
        key: &PrivateKey,
        url: &Url,
        now: DateTime<Utc>,
        nonce: Option<&str>,
    ) -> Option<RequestBuilder> {
        let now = now.timestamp();
        let kid = app.key.key_id.as_deref().or(key.key_id());
        let assertion = jws::assertion(key, kid, &app.key.client_id, url.as_str(), now)?;
        let proof = self.proof_key().prove(&Proven {
            method: "POST",
            url,
            now,
            nonce,
            token: None,
        })?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", SCOPE)
            .append_pair("client_assertion_type", ASSERTION_TYPE)
            .append_pair("client_assertion", &assertion)
            .finish();
        let request = self.http().post(url.clone());
        Some(
            request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header("dpop", proof)
                .body(form),
        )
    }
}

/// Reads the token of an answer.
async fn granted(
    exchange: &mut Exchange<'_>,
    now: DateTime<Utc>,
) -> Result<AccessToken, Box<Failure>> {
    // What is cut off here is no page: the caller must not take it for one.
    let body = exchange.read(MAX_BYTES).await.unwrap_or_default();
    let unreadable = || exchange.fail(OktaError::BadTokenAnswer);
    let Granted {
        token_type,
        expires_in,
        access_token,
    } = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    let scheme = match token_type.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return Err(unreadable()),
    };
    Ok(AccessToken {
        scheme,
        value: access_token.into(),
        expires_at: now + TimeDelta::seconds(i64::from(expires_in)),
    })
}
