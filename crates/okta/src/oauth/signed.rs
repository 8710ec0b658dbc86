//! A request to the API with an access token, and with a proof where the token is bound to one.

use model::origin::Origin;
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use tokio::time::Instant;
use url::Url;

use super::ServiceApp;
use super::proof::Proven;
use super::session::{Scheme, Server};
use crate::auth;
use crate::client::OktaClient;
use crate::error::OktaError;
use crate::exchange::Exchange;
use crate::failure::Failure;

impl OktaClient {
    /// Sends a GET request as a service app. What Okta says about the token or the proof is mended once
    /// each: a dead token by a new one, a wrong time by Okta's, a missing nonce by the one it wants.
    pub(crate) async fn get_as_app<'a>(
        &self,
        origin: &'a Origin,
        url: Url,
        app: &ServiceApp,
        deadline: Instant,
    ) -> Result<Exchange<'a>, Box<Failure>> {
        let session = self.sessions().of(origin, app);
        let (mut other_nonce, mut other_time, mut other_token) = (false, false, false);
        loop {
            let token = self.access_token(origin, app, &session, deadline).await?;
            let now = session.now();
            let nonce = session.nonce(Server::Resource);
            let scheme = match token.scheme {
                Scheme::Bearer => "Bearer",
                Scheme::Dpop => "DPoP",
            };
            let header = auth::header(scheme, &token.value).map_err(Failure::unanswered)?;
            let mut request = self.http().get(url.clone()).header(AUTHORIZATION, header);
            if token.scheme == Scheme::Dpop {
                let proof = self.proof_key().prove(&Proven {
                    method: "GET",
                    url: &url,
                    now: now.unwrap_or_default().timestamp(),
                    nonce: nonce.as_deref(),
                    token: Some(token.value.expose_secret()),
                });
                let proof = proof.ok_or_else(|| Failure::unanswered(OktaError::CannotSign))?;
                request = request.header("dpop", proof);
            }
            let mut exchange = self.send(origin, request, deadline).await?;
            exchange.app = true;
            let late = session.hear(exchange.date(), now);
            let asks = session.take_nonce(
                Server::Resource,
                exchange.header("dpop-nonce"),
                nonce.as_deref(),
            );
            let said = exchange.challenge();
            match exchange.status() {
                StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
                    if said.as_deref() == Some("use_dpop_nonce") && asks && !other_nonce =>
                {
                    other_nonce = true;
                }
                StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
                    if said.as_deref() == Some("invalid_dpop_proof") && late && !other_time =>
                {
                    other_time = true;
                }
                StatusCode::UNAUTHORIZED if !other_token => {
                    session.drop_token(&token);
                    other_token = true;
                }
                _ => return Ok(exchange),
            }
        }
    }
}
