//! Whether a host is an Okta org, and which.

use model::origin::Origin;
use serde::Deserialize;
use tracing::Instrument;

use crate::client::OktaClient;
use crate::error::OktaError;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::span;

/// The largest answer that is read, in bytes; a real one has some hundred.
const MAX_BYTES: usize = 64 << 10;

/// What an org tells everybody about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrgInfo {
    /// The org's id, the same under each of its domains: `00o..`.
    pub id: String,
    /// Okta's engine of the org, `v1` or `idx`.
    pub pipeline: Option<String>,
}

impl OktaClient {
    /// Asks a host which org it is. No credential is sent.
    ///
    /// # Errors
    /// [`OktaError::NotAnOrg`] if the host answers but not like an org; otherwise what keeps it from
    /// answering.
    pub async fn fetch_org(&self, origin: &Origin) -> Result<OrgInfo, Box<Failure>> {
        let span = span::begin!("okta.fetch_org", origin, "GET");
        let fetching = self.try_org(origin);
        span::end(&span, fetching.instrument(span.clone()).await)
    }

    async fn try_org(&self, origin: &Origin) -> Result<OrgInfo, Box<Failure>> {
        let url = origin.url("/.well-known/okta-organization");
        let mut exchange: Exchange<'_> = self.get(origin, url, None).await?;
        if !exchange.is_ok() {
            let refusal = exchange.read_refusal().await;
            return Err(exchange.fail(exchange.refusal(&refusal).of_org()));
        }
        match exchange.read(MAX_BYTES).await {
            Ok(body) => serde_json::from_slice(&body).map_err(|_| not_an_org(&exchange)),
            Err((OktaError::TooLarge { .. }, _)) => Err(not_an_org(&exchange)),
            Err((error, _)) => Err(exchange.fail(error)),
        }
    }
}

fn not_an_org(exchange: &Exchange<'_>) -> Box<Failure> {
    exchange.fail(exchange.refusal(&[]).of_org())
}
