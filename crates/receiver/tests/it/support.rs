//! A receiver and a client that never retries, never follows and never waits for long.

use std::time::Duration;

use receiver::{Counts, Inbox, Keep, Receiver, ReceiverConfig};
use reqwest::header::HeaderMap;
use reqwest::{Body, Client, Response, redirect};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A log token that looks like one.
pub(crate) const TOKEN: Uuid = Uuid::from_u128(0x6c1f_5cb0_9f3a_4a4c_8d2b_2f2d_1c9e_7a55);

/// Both ends.
pub(crate) struct Ends {
    pub(crate) receiver: Receiver,
    pub(crate) http: Client,
}

/// A receiver that keeps everything and knows one token.
pub(crate) fn config() -> ReceiverConfig {
    ReceiverConfig {
        tokens: vec![TOKEN],
        paths: vec!["/events".to_owned()],
        keep: Keep::Bytes,
        ..ReceiverConfig::default()
    }
}

pub(crate) async fn start(config: ReceiverConfig) -> Ends {
    let http = Client::builder()
        .timeout(Duration::from_secs(30))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .unwrap();
    let receiver = Receiver::start(config).await.unwrap();
    Ends { receiver, http }
}

/// Waits for a level, not for long.
pub(crate) async fn until(what: &str, level: impl Fn() -> bool) {
    let waiting = async {
        while !level() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(reached.is_ok(), "not reached: {what}");
}

impl Ends {
    pub(crate) fn inbox(&self) -> &Inbox {
        self.receiver.inbox()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inbox().counts()
    }

    /// What was kept, as text.
    pub(crate) fn kept(&self) -> Vec<String> {
        let text = |event: &bytes::Bytes| String::from_utf8(event.to_vec()).unwrap();
        self.inbox().events().iter().map(text).collect()
    }

    /// Posts an entry in the background.
    pub(crate) fn entry_later(&self, body: &'static str) -> JoinHandle<u16> {
        let url = format!("{}/v1/noformat/{TOKEN}", self.receiver.url());
        let request = self.http.post(url).body(body);
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    }

    /// Posts an InsightOps entry with a token.
    pub(crate) async fn entry(
        &self,
        token: impl ToString,
        body: impl Into<Body>,
    ) -> Result<u16, reqwest::Error> {
        let path = format!("/v1/noformat/{}", token.to_string());
        Ok(self.post(&path, &[], body).await?.status().as_u16())
    }

    /// Posts an entry that arrives.
    pub(crate) async fn take(&self, body: impl Into<Body>) {
        assert_eq!(self.entry(TOKEN, body).await.unwrap(), 204);
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Body>,
    ) -> Result<Response, reqwest::Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let url = format!("{}{path}", self.receiver.url());
        self.http.post(url).headers(map).body(body).send().await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let url = format!("{}{path}", self.receiver.url());
        let answer = self.http.get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}
