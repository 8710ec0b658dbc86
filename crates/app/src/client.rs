//! The service's own HTTP API, as a client of it sees it.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

/// A place where the API is, and a key to it. Its errors repeat what the API's problem documents say.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    api: String,
    key: SecretString,
}

impl Client {
    /// A client of the API at an origin; connects on first use.
    pub(crate) fn new(api: &str, key: SecretString) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()?;
        let api = api.trim_end_matches('/').to_owned();
        Ok(Self { http, api, key })
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Response> {
        let request = self.http.get(self.url(path));
        self.send(request)
            .await
            .with_context(|| format!("GET {path}"))
    }

    /// Posts a body, or nothing if it is null.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut request = self.http.post(self.url(path));
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = self.send(request).await;
        let answer = answer.with_context(|| format!("POST {path}"))?;
        Ok(answer.json().await?)
    }

    /// Makes a resource; returns its id.
    pub(crate) async fn create(&self, path: &str, body: &Value) -> anyhow::Result<Uuid> {
        id(&self.post(path, body).await?)
    }

    /// Finds the resource of a list whose `field` is `name`; the oldest, should there be several.
    pub(crate) async fn find(
        &self,
        path: &str,
        field: &str,
        name: &str,
    ) -> anyhow::Result<Option<Uuid>> {
        let mut query = "limit=200".to_owned();
        loop {
            let page: Value = self.get(&format!("{path}?{query}")).await?.json().await?;
            let items = page.get("items").and_then(Value::as_array);
            let items = items.context("the API gave no list")?;
            let named = |item: &&Value| item.get(field).and_then(Value::as_str) == Some(name);
            if let Some(item) = items.iter().find(named) {
                return id(item).map(Some);
            }
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(cursor) => query = format!("limit=200&cursor={cursor}"),
                None => return Ok(None),
            }
        }
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let request = request.bearer_auth(self.key.expose_secret());
        let answer = request.send().await.context("the API does not answer")?;
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
}

fn id(resource: &Value) -> anyhow::Result<Uuid> {
    let id = resource.get("id").and_then(Value::as_str);
    Ok(id.context("the API gave no id")?.parse()?)
}
