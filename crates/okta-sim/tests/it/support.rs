//! A simulator, a client for it, and what tests read of its answers.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use okta_sim::{Events, Org, OrgConfig, RateLimits, Sim, SimConfig};
use reqwest::header::HeaderMap;
use serde_json::Value;

pub(crate) const TOKEN: &str = "00canary-token";

/// A running simulator whose rate limit is out of the way.
pub(crate) struct Fixture {
    pub(crate) sim: Sim,
    pub(crate) client: reqwest::Client,
}

/// One answer, its body decompressed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn quiet() -> OrgConfig {
    OrgConfig {
        limits: RateLimits {
            org: 1 << 20,
            token: 1 << 20,
        },
        ..OrgConfig::with_token(TOKEN)
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with(quiet()).await
    }

    pub(crate) async fn with(org: OrgConfig) -> Self {
        let sim = Sim::start(SimConfig {
            org,
            ..SimConfig::default()
        })
        .await
        .unwrap();
        Self {
            sim,
            client: client(),
        }
    }

    pub(crate) fn org(&self) -> &Org {
        self.sim.org()
    }

    /// Persists events `first..first + count`, named by their number.
    pub(crate) fn persist(&self, first: usize, count: usize) {
        let lines = (first..first + count).map(|n| format!(r#"{{"n":{n}}}"#));
        self.org().persist(Events::from_lines(lines).unwrap());
    }

    pub(crate) fn url(&self, target: &str) -> String {
        if target.starts_with("http") {
            target.to_owned()
        } else {
            format!("{}{target}", self.sim.url())
        }
    }

    pub(crate) fn request(&self, target: &str) -> reqwest::RequestBuilder {
        self.client
            .get(self.url(target))
            .header("authorization", format!("SSWS {TOKEN}"))
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        Answer::of(self.request(target).send().await.unwrap()).await
    }

    /// Makes the token valid again, which days without use have ended.
    pub(crate) fn renew_token(&self) {
        self.org().add_token(TOKEN);
    }

    /// The answer, or that the exchange failed.
    pub(crate) async fn try_get(&self, target: &str) -> Result<Answer, reqwest::Error> {
        Answer::try_of(self.request(target).send().await?).await
    }

    /// Follows next links until an empty page or the last one; gives the pages' event numbers.
    pub(crate) async fn walk(&self, target: &str) -> Vec<Vec<i64>> {
        let mut pages = Vec::new();
        let mut target = target.to_owned();
        loop {
            let answer = self.get(&target).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let numbers = answer.numbers();
            if numbers.is_empty() {
                return pages;
            }
            pages.push(numbers);
            match answer.link("next") {
                Some(next) => target = next,
                None => return pages,
            }
        }
    }
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self::try_of(response).await.unwrap()
    }

    async fn try_of(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self {
            status,
            headers,
            body: response.bytes().await?.to_vec(),
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["errorCode"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The `n` of each event.
    pub(crate) fn numbers(&self) -> Vec<i64> {
        self.json()
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["n"].as_i64().unwrap())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        self.header(name).unwrap().parse().unwrap()
    }

    /// The URL of the link line of this kind.
    pub(crate) fn link(&self, rel: &str) -> Option<String> {
        let end = format!("; rel=\"{rel}\"");
        self.headers.get_all("link").iter().find_map(|line| {
            let url = line.to_str().unwrap().strip_suffix(&end)?;
            Some(url.trim_matches(['<', '>']).to_owned())
        })
    }
}

/// The folder of test data outside the repository, if there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is the test suite's, not the product's"
)]
pub(crate) fn data() -> Option<PathBuf> {
    let folder = std::env::var("COLLECTOR_TEST_DATA").ok().map(PathBuf::from);
    if folder.is_none() {
        // Not by a macro for printing: of tests that pass, what those print is not shown.
        let _unread = writeln!(std::io::stderr(), "skipped: COLLECTOR_TEST_DATA is not set");
    }
    folder
}
