//! The demo as a client of its own API.

use anyhow::Context;
use chrono::{DateTime, Utc};
use model::ids::SourceId;
use reqwest::Response;
use reqwest::header::DATE;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::org::Org;
use super::place::Place;
use super::status::Status;
use crate::client;

/// One registered source, and the way to ask about it.
pub(super) struct Client {
    api: client::Client,
    source: Uuid,
}

impl Client {
    /// Creates a credential, a file destination and a source between them.
    pub(super) async fn register(
        api: &str,
        key: &str,
        org: &Org,
        place: &Place,
    ) -> anyhow::Result<Self> {
        let api = client::Client::new(api, key.into())?;
        let credential = json!({
            "name": "demo",
            "domain": org.domain,
            "token": org.token.expose_secret(),
        });
        let credential = api.create("/v1/credentials", &credential).await?;
        let destination =
            json!({ "name": "demo", "kind": "file", "file": { "path": place.name() } });
        let destination = api.create("/v1/destinations", &destination).await?;
        let source = json!({
            "display_name": "demo",
            "credential_id": credential,
            "destination_ids": [destination],
            "refresh_frequency": "10s",
            "start": "earliest",
        });
        let source = api.create("/v1/sources", &source).await?;
        Ok(Self { api, source })
    }

    pub(super) fn source(&self) -> SourceId {
        SourceId(self.source)
    }

    pub(super) fn status_url(&self) -> String {
        self.api.url(&self.path("status"))
    }

    /// Asks for a poll now.
    pub(super) async fn poll(&self) -> anyhow::Result<()> {
        self.api.post(&self.path("poll"), &Value::Null).await?;
        Ok(())
    }

    /// The status of the source.
    pub(super) async fn status(&self) -> anyhow::Result<Status> {
        let answer = self.api.get(&self.path("status")).await?;
        let now = date(&answer);
        let mut status: Status = answer
            .json()
            .await
            .context("the API's status is not readable")?;
        status.now = now;
        Ok(status)
    }

    fn path(&self, of_source: &str) -> String {
        format!("/v1/sources/{}/{of_source}", self.source)
    }
}

/// The service's time; this process has none of its own.
fn date(answer: &Response) -> Option<DateTime<Utc>> {
    let text = answer.headers().get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc())
}
