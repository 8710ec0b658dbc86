//! The settings of a webhook.

use serde_json::{Value, json};

use super::body::Form;
use super::headers::Headers;
use crate::http::{Endpoint, Http};
use crate::settings::{Parsed, Reader};
use crate::{Checked, Limits, Settings};

const MAX_EVENTS: usize = 1000;
const MAX_BYTES: usize = 4 << 20;

/// Settings that are as they should be.
#[derive(Debug)]
pub(super) struct Valid {
    pub(super) to: Endpoint,
    pub(super) form: Form,
    pub(super) headers: Headers,
    pub(super) gzip: bool,
    pub(super) limits: Limits,
    /// How many requests at once, where each holds one event.
    pub(super) in_flight: usize,
    /// As they are shown.
    config: Value,
}

impl Valid {
    pub(super) fn parse(http: &Http, settings: &Settings) -> Parsed<Self> {
        let mut reader = Reader::new("a webhook", settings);
        let url = match reader.required("url") {
            Some(_) => http.url(&mut reader, "url"),
            None => None,
        };
        let form = form(&mut reader);
        let headers = Headers::read(&mut reader);
        let gzip = reader.flag("gzip");
        let limits = Limits {
            max_events: reader.number("max_batch_events", MAX_EVENTS, 1, 10_000),
            max_bytes: reader.number("max_batch_bytes", MAX_BYTES, 1 << 10, 32 << 20),
        };
        let in_flight = reader.number("in_flight", 1, 1, 64);
        if in_flight > 1 && form != Some(Form::Single) {
            let detail =
                "in_flight is for requests of a single event; batches go one after the other";
            reader.error("in_flight", "conflict", detail);
        }
        reader.finish(|| {
            let (url, form) = (url?, form?);
            let config = json!({
                "url": url.as_str(),
                "body": form.as_str(),
                "headers": headers.shown(),
                "gzip": gzip,
                "max_batch_events": limits.max_events,
                "max_batch_bytes": limits.max_bytes,
                "in_flight": in_flight,
            });
            Some(Self {
                to: Endpoint::new(url),
                form,
                headers,
                gzip,
                limits,
                in_flight,
                config,
            })
        })
    }

    /// As they should be stored.
    pub(super) fn checked(&self) -> Checked {
        Checked {
            config: self.config.clone(),
            secrets: self.headers.sealed(),
            // The whole address: behind one host there may be many receivers.
            target: self
                .config
                .get("url")
                .and_then(Value::as_str)
                .map(str::to_owned),
        }
    }
}

fn form(reader: &mut Reader<'_>) -> Option<Form> {
    if reader.value("body").is_none() {
        return Some(Form::Ndjson);
    }
    let word = reader.text("body")?;
    let form = Form::ALL.into_iter().find(|form| form.as_str() == word);
    if form.is_none() {
        let words = Form::ALL.map(Form::as_str).join(", ");
        reader.error(
            "body",
            "unknown_word",
            format!("body must be one of {words}"),
        );
    }
    form
}
