//! The demo as a client of its own API.

use std::time::Duration;

use anyhow::{Context, bail};
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

const PATIENCE: Duration = Duration::from_secs(30);

/// One registered source, and the way to ask about it.
pub(super) struct Client {
    http: reqwest::Client,
    api: String,
    key: String,
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
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()?;
        let (api, key, source) = (api.to_owned(), key.to_owned(), Uuid::nil());
        let mut client = Self {
            http,
            api,
            key,
            source,
        };
        let credential = json!({
            "name": "demo",
            "domain": org.domain,
            "token": org.token.expose_secret(),
        });
        let credential = client.create("/v1/credentials", &credential).await?;
        let destination =
            json!({ "name": "demo", "kind": "file", "file": { "path": place.name() } });
        let destination = client.create("/v1/destinations", &destination).await?;
        let source = json!({
            "display_name": "demo",
            "credential_id": credential,
            "destination_ids": [destination],
            "refresh_frequency": "10s",
            "start": "earliest",
        });
        client.source = client.create("/v1/sources", &source).await?;
        Ok(client)
    }

    pub(super) fn source(&self) -> SourceId {
        SourceId(self.source)
    }

    pub(super) fn status_url(&self) -> String {
        format!("{}/v1/sources/{}/status", self.api, self.source)
    }

    /// Asks for a poll now.
    pub(super) async fn poll(&self) -> anyhow::Result<()> {
        self.post(&format!("/v1/sources/{}/poll", self.source), &Value::Null)
            .await?;
        Ok(())
    }

    /// The status of the source.
    pub(super) async fn status(&self) -> anyhow::Result<Status> {
        let request = self.http.get(self.status_url()).bearer_auth(&self.key);
        let answer = accepted(request.send().await.context("the API does not answer")?).await?;
        let now = date(&answer);
        let mut status: Status = answer
            .json()
            .await
            .context("the API's status is not readable")?;
        status.now = now;
        Ok(status)
    }

    async fn create(&self, path: &str, body: &Value) -> anyhow::Result<Uuid> {
        let created = self.post(path, body).await?;
        let id = created.get("id").and_then(Value::as_str);
        Ok(id.context("the API gave no id")?.parse()?)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self
            .http
            .post(format!("{}{path}", self.api))
            .bearer_auth(&self.key);
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let answer = request
            .send()
            .await
            .with_context(|| format!("POST {path} has no answer"))?;
        let answer = accepted(answer)
            .await
            .with_context(|| format!("POST {path}"))?;
        Ok(answer.json().await?)
    }
}

async fn accepted(answer: Response) -> anyhow::Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let problem: Value = answer.json().await.unwrap_or_default();
    match problem.get("detail").and_then(Value::as_str) {
        Some(detail) => bail!("{status}: {detail}"),
        None => bail!("{status}"),
    }
}

/// The service's time; this process has none of its own.
fn date(answer: &Response) -> Option<DateTime<Utc>> {
    let text = answer.headers().get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc())
}
