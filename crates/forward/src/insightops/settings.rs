//! The settings of an InsightOps log, and the addresses they lead to.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use crate::http::{Endpoint, Http};
use crate::settings::{Parsed, Reader};
use crate::{Checked, Settings};

/// InsightOps keeps an entry whole up to here, and cuts larger ones into several.
const MAX_EVENT_BYTES: usize = 32_767;
const LEAST_EVENT_BYTES: usize = 1024;

/// Settings that are as they should be.
#[derive(Debug)]
pub(super) struct Valid {
    /// Where entries are posted to; holds the token.
    pub(super) ingest: Endpoint,
    pub(super) read_back: Option<ReadBack>,
    pub(super) max_event_bytes: usize,
    pub(super) in_flight: usize,
    token: SecretString,
    /// As they are shown.
    config: Value,
    /// Where secrets are sent to.
    target: String,
}

/// What it takes to read an entry back.
#[derive(Debug)]
pub(super) struct ReadBack {
    /// Where the log is searched.
    pub(super) log: Endpoint,
    pub(super) key: SecretString,
}

impl Valid {
    pub(super) fn parse(http: &Http, settings: &Settings) -> Parsed<Self> {
        let mut reader = Reader::new("InsightOps", settings);
        let place = Place::read(&mut reader, http);
        let token = reader.required("token");
        if token.is_some_and(|token| !is_uuid(token)) {
            let detail =
                "token must be the log's token as InsightOps shows it, a UUID of 36 characters";
            reader.error("token", "invalid_token", detail);
        }
        let read_back = read_back(&mut reader, place.as_ref());
        let max_event_bytes = reader.number(
            "max_event_bytes",
            MAX_EVENT_BYTES,
            LEAST_EVENT_BYTES,
            MAX_EVENT_BYTES,
        );
        let in_flight = reader.number("in_flight", 8, 1, 64);
        reader.finish(|| {
            let (place, token) = (place?, token?);
            let ingest = below(&place.ingest, &["v1", "noformat", token]);
            let mut config = place.config;
            config.insert("max_event_bytes".to_owned(), json!(max_event_bytes));
            config.insert("in_flight".to_owned(), json!(in_flight));
            let mut target = ingest.origin();
            if let Some(query) = &place.query {
                target = format!("{target} {}", query.origin().ascii_serialization());
            }
            let read_back = match (read_back, &place.query) {
                (Some((log, key)), Some(query)) => {
                    config.insert("log_id".to_owned(), json!(log));
                    Some(ReadBack {
                        log: below(query, &["query", "logs", log]),
                        key: key.into(),
                    })
                }
                _ => None,
            };
            Some(Self {
                ingest,
                read_back,
                max_event_bytes,
                in_flight,
                token: token.into(),
                config: Value::Object(config),
                target,
            })
        })
    }

    /// As they should be stored.
    pub(super) fn checked(&self) -> Checked {
        let mut secrets = json!({ "token": self.token.expose_secret() });
        if let (Some(read_back), Some(secrets)) = (&self.read_back, secrets.as_object_mut()) {
            let key = read_back.key.expose_secret();
            secrets.insert("read_key".to_owned(), json!(key));
        }
        Checked {
            config: self.config.clone(),
            secrets: Some(secrets.to_string().into()),
            target: Some(self.target.clone()),
        }
    }

    /// All that an answer must not repeat.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let key = self.read_back.iter().map(|read_back| &read_back.key);
        let secrets = std::iter::once(&self.token).chain(key);
        secrets.map(SecretString::expose_secret)
    }
}

/// Where InsightOps is.
struct Place {
    ingest: Url,
    query: Option<Url>,
    config: Map<String, Value>,
}

impl Place {
    /// Of a region, or of addresses given by themselves.
    fn read(reader: &mut Reader<'_>, http: &Http) -> Option<Self> {
        let region = reader.value("region").and(reader.text("region"));
        let base = reader.value("base_url").and(http.url(reader, "base_url"));
        let query = reader.value("query_url").and(http.url(reader, "query_url"));
        let given = |reader: &mut Reader<'_>, name| reader.value(name).is_some();
        match (given(reader, "region"), given(reader, "base_url")) {
            (false, false) => {
                let detail = "region is missing: give one such as eu or us2, or base_url instead";
                reader.error("region", "required", detail);
                None
            }
            (true, true) => {
                reader.error("base_url", "conflict", "give region or base_url, not both");
                None
            }
            (true, false) => {
                if given(reader, "query_url") {
                    let detail = "query_url goes with base_url; a region has its own";
                    reader.error("query_url", "conflict", detail);
                }
                Self::of_region(reader, region?)
            }
            (false, true) => Self::of_urls(reader, base?, query),
        }
    }

    fn of_region(reader: &mut Reader<'_>, region: &str) -> Option<Self> {
        if !is_region(region) {
            let detail = "region must be the two letters of a Rapid7 region and perhaps a digit, such as eu or us2";
            reader.error("region", "invalid_region", detail);
            return None;
        }
        // The query API of the first region has no prefix.
        let prefix = if region == "us" {
            String::new()
        } else {
            format!("{region}.")
        };
        let ingest = format!("https://{region}.webhook.logs.insight.rapid7.com");
        let query = format!("https://{prefix}rest.logs.insight.rapid7.com");
        Some(Self {
            ingest: Url::parse(&ingest).ok()?,
            query: Some(Url::parse(&query).ok()?),
            config: Map::from_iter([("region".to_owned(), json!(region))]),
        })
    }

    fn of_urls(reader: &mut Reader<'_>, ingest: Url, query: Option<Url>) -> Option<Self> {
        let mut config = Map::new();
        for (name, url) in [("base_url", Some(&ingest)), ("query_url", query.as_ref())] {
            let Some(url) = url else { continue };
            // The address with a token in it, copied whole, would be stored and shown as it is.
            if url.query().is_some() || url.path_segments()?.any(is_uuid) {
                let detail = format!(
                    "{name} must end before /v1 or /query; the token and the id of the log are settings of their own"
                );
                reader.error(name, "invalid_url", detail);
                return None;
            }
            config.insert(name.to_owned(), json!(url.as_str().trim_end_matches('/')));
        }
        Some(Self {
            ingest,
            query,
            config,
        })
    }
}

/// The id of the log and the key it is read with: both or neither.
fn read_back<'a>(reader: &mut Reader<'a>, place: Option<&Place>) -> Option<(&'a str, &'a str)> {
    let (log, key) = (reader.value("log_id"), reader.value("read_key"));
    if log.is_none() && key.is_none() {
        return None;
    }
    let log = reader.required("log_id");
    if log.is_some_and(|log| !is_uuid(log)) {
        let detail = "log_id must be the id of the log in InsightOps, a UUID of 36 characters";
        reader.error("log_id", "invalid_id", detail);
    }
    let key = reader.required("read_key");
    let readable = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_some_and(|key| !readable(key)) {
        let detail = "read_key must be an API key of printable characters without blanks";
        reader.error("read_key", "invalid_key", detail);
    }
    if place.is_some_and(|place| place.query.is_none()) {
        let detail = "query_url is missing: with base_url, reading back needs the address of the query API too";
        reader.error("query_url", "required", detail);
    }
    log.zip(key)
}

/// Whether a text is a UUID as it is usually written.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

fn is_region(text: &str) -> bool {
    match text.as_bytes() {
        [a, b] => a.is_ascii_lowercase() && b.is_ascii_lowercase(),
        [a, b, c] => a.is_ascii_lowercase() && b.is_ascii_lowercase() && c.is_ascii_digit(),
        _ => false,
    }
}

/// The address of a base with this path behind its own.
fn below(base: &Url, path: &[&str]) -> Endpoint {
    let mut url = base.clone();
    // An error means that the URL cannot have a path; an https URL can.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    Endpoint::new(url)
}
