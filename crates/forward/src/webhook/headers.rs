//! The headers that a user adds to each request. Their values are secret: most of them are tokens.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::settings::Reader;

const NAME: &str = "headers";
const MOST: usize = 32;
const LONGEST_NAME: usize = 100;
const LONGEST_VALUE: usize = 8192;

/// What this program says itself, and what is between two machines only.
const OURS: [&str; 15] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "idempotency-key",
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers, in the order given.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers(Vec<(HeaderName, SecretString)>);

impl Headers {
    /// Reads `[{"name": "..", "value": ".."}]`; what is wrong is noted.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let Some(value) = reader.value(NAME) else {
            return Self::default();
        };
        let Some(list) = value.as_array().filter(|list| list.len() <= MOST) else {
            let detail =
                format!("{NAME} must be a list of at most {MOST} objects with name and value");
            reader.error(NAME, "wrong_type", detail);
            return Self::default();
        };
        let mut headers = Self::default();
        for (index, item) in list.iter().enumerate() {
            let index = index.to_string();
            match headers.item(item) {
                Ok(header) => headers.0.push(header),
                Err((Some(field), code, detail)) => {
                    reader.error_at(&[NAME, &index, field], code, detail);
                }
                Err((None, code, detail)) => reader.error_at(&[NAME, &index], code, detail),
            }
        }
        headers
    }

    /// One of the list; the error says which field of it is wrong.
    fn item(&self, item: &Value) -> Result<(HeaderName, SecretString), Wrong> {
        let known = |fields: &serde_json::Map<String, Value>| {
            fields
                .keys()
                .all(|key| matches!(key.as_str(), "name" | "value"))
        };
        if !item.as_object().is_some_and(known) {
            let detail = "a header is an object of name and value".to_owned();
            return Err((None, "wrong_type", detail));
        }
        let text = |field| item.get(field).and_then(Value::as_str);
        let name = text("name").ok_or_else(|| wrong("name", "required", "the name is missing"))?;
        let name = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .filter(|name| name.as_str().len() <= LONGEST_NAME)
            .ok_or_else(|| wrong("name", "invalid_header", "this is no name of a header"))?;
        if OURS.contains(&name.as_str()) {
            let detail = format!(
                "{name} cannot be set; the collector sets it itself, or it is not for the receiver"
            );
            return Err((Some("name"), "reserved_header", detail));
        }
        if self.0.iter().any(|(other, _)| *other == name) {
            return Err(wrong(
                "name",
                "duplicate",
                &format!("{name} is there twice"),
            ));
        }
        let value = text("value").ok_or_else(|| {
            let detail =
                "the value is missing; stored ones are not shown, so give all of them anew";
            wrong("value", "required", detail)
        })?;
        if !is_value(value) {
            let detail = format!(
                "the value must be of ASCII characters, printable and at most {LONGEST_VALUE}, without blanks around them"
            );
            return Err((Some("value"), "invalid_header", detail));
        }
        Ok((name, value.into()))
    }

    /// As they are shown: names only.
    pub(super) fn shown(&self) -> Value {
        let shown = |(name, _): &(HeaderName, SecretString)| json!({ "name": name.as_str() });
        self.0.iter().map(shown).collect()
    }

    /// As they are sealed; none if there is none.
    pub(super) fn sealed(&self) -> Option<SecretString> {
        let list: Vec<Value> = self
            .0
            .iter()
            .map(|(name, value)| json!({ "name": name.as_str(), "value": value.expose_secret() }))
            .collect();
        (!list.is_empty()).then(|| json!({ NAME: list }).to_string().into())
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, value)| value.expose_secret())
    }

    /// As they are sent.
    pub(super) fn to_map(&self) -> HeaderMap {
        let header = |(name, value): &(HeaderName, SecretString)| {
            let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some((name.clone(), value))
        };
        self.0.iter().filter_map(header).collect()
    }
}

/// Whether a value arrives as it is written.
fn is_value(value: &str) -> bool {
    let printable = |byte: u8| matches!(byte, b' '..=b'~');
    value.len() <= LONGEST_VALUE && value.trim() == value && value.bytes().all(printable)
}

/// The field that is wrong, if it is not the whole; what is wrong as a word, and for a person.
type Wrong = (Option<&'static str>, &'static str, String);

fn wrong(field: &'static str, code: &'static str, detail: &str) -> Wrong {
    (Some(field), code, detail.to_owned())
}
