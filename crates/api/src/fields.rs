//! Reads the fields of a JSON body one by one, so that an answer names everything that is wrong.
//!
//! What fields there are and which are required is taken from the schema of the documented request,
//! so code and document cannot drift apart: in debug builds a documented field that nobody reads, or
//! a read one that is not documented, is a failed assertion. Values are never repeated in messages
//! unless they were parsed as something that is no secret.

use std::collections::BTreeSet;
use std::fmt::Display;

use secrecy::SecretString;
use serde_json::{Map, Value};
use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use uuid::Uuid;

use crate::problem::{FieldProblem, Problem};
use crate::suggest::{nearest, shorten};

/// Characters in a short text that is parsed, such as a duration or a domain.
const MAX_WORD: usize = 255;
/// Characters in a token.
const MAX_TOKEN: usize = 512;

/// The fields of one JSON object and what is wrong with them so far.
#[derive(Debug)]
pub(crate) struct Fields {
    pointer: String,
    known: BTreeSet<String>,
    unread: BTreeSet<String>,
    values: Map<String, Value>,
    errors: Vec<FieldProblem>,
    is_object: bool,
}

impl Fields {
    /// The fields of a body that is documented as `T`.
    pub(crate) fn of<T: PartialSchema>(body: Value) -> Self {
        Self::at::<T>(String::new(), body)
    }

    fn at<T: PartialSchema>(pointer: String, value: Value) -> Self {
        let (known, required) = documented::<T>();
        let mut fields = Self {
            pointer,
            unread: known.clone(),
            known,
            values: Map::new(),
            errors: Vec::new(),
            is_object: value.is_object(),
        };
        match value {
            Value::Object(values) => fields.values = values,
            other => {
                let detail = format!("an object is expected, not {}", type_of(&other));
                fields.note(String::new(), "wrong_type", detail);
                return fields;
            }
        }
        let unknown: Vec<String> = fields
            .values
            .keys()
            .filter(|name| !fields.known.contains(*name))
            .cloned()
            .collect();
        for name in unknown {
            let hint = nearest(&name, fields.known.iter().map(String::as_str));
            let detail = format!("there is no field {:?}{hint}", shorten(&name));
            fields.error(&name, "unknown_field", detail);
        }
        for name in required {
            if !fields.values.contains_key(&name) {
                fields.error(&name, "required", format!("{name} is missing"));
            }
        }
        fields
    }

    /// Notes that something is wrong with a field.
    pub(crate) fn error(&mut self, name: &str, code: &str, detail: impl Into<String>) {
        self.note(format!("/{}", escape(name)), code, detail.into());
    }

    /// Notes that something is wrong below this object.
    pub(crate) fn note(&mut self, below: impl AsRef<str>, code: &str, detail: String) {
        self.errors.push(FieldProblem {
            pointer: Some(format!("{}{}", self.pointer, below.as_ref())),
            parameter: None,
            code: code.to_owned(),
            detail,
        });
    }

    /// Whether the field was sent.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Notes that a field is missing if it is; for those that are required under some conditions only.
    pub(crate) fn demand(&mut self, name: &str) {
        if self.is_object && !self.has(name) {
            self.error(name, "required", format!("{name} is missing"));
        }
    }

    /// A text of at most so many characters, without control characters, blanks around it cut off.
    pub(crate) fn text(&mut self, name: &'static str, most: usize) -> Option<String> {
        let value = self.take(name)?;
        self.as_text(name, value, most)
    }

    /// A text that null takes away: absent, null or a text.
    #[expect(clippy::option_option, reason = "absent and null are two things here")]
    pub(crate) fn clearable_text(
        &mut self,
        name: &'static str,
        most: usize,
    ) -> Option<Option<String>> {
        match self.take_any(name)? {
            Value::Null => Some(None),
            value => self.as_text(name, value, most).map(Some),
        }
    }

    /// A short text that means something.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        code: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name, MAX_WORD)?;
        parse(&text)
            .map_err(|error| self.error(name, code, error.to_string()))
            .ok()
    }

    /// An Okta token, without the `SSWS ` that is often copied with it.
    pub(crate) fn token(&mut self, name: &'static str) -> Option<SecretString> {
        let value = self.take(name)?;
        let Value::String(text) = value else {
            self.error(name, "wrong_type", format!("{name} must be a string"));
            return None;
        };
        let token = match text.trim() {
            "SSWS" => "",
            text => text.strip_prefix("SSWS ").unwrap_or(text).trim_start(),
        };
        let wrong = if token.is_empty() {
            Some(("empty", format!("{name} is empty")))
        } else if token.chars().count() > MAX_TOKEN {
            Some((
                "too_long",
                format!("{name} has more than {MAX_TOKEN} characters"),
            ))
        } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail =
                format!("{name} holds blanks or characters that no token has; copy it again");
            Some(("invalid_token", detail))
        } else {
            None
        };
        match wrong {
            None => Some(SecretString::from(token)),
            Some((code, detail)) => {
                self.error(name, code, detail);
                None
            }
        }
    }

    /// A secret of several lines, as it was sent.
    pub(crate) fn secret_text(&mut self, name: &'static str, most: usize) -> Option<SecretString> {
        let value = self.take(name)?;
        let Value::String(text) = value else {
            self.wrong_type(name, "a string", &value);
            return None;
        };
        if text.trim().is_empty() {
            self.error(name, "empty", format!("{name} is empty"));
        } else if text.len() > most {
            let detail = format!("{name} has more than {most} characters");
            self.error(name, "too_long", detail);
        } else {
            return Some(SecretString::from(text));
        }
        None
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        let value = self.take(name)?;
        if value.as_bool().is_none() {
            self.wrong_type(name, "true or false", &value);
        }
        value.as_bool()
    }

    /// The id of something.
    pub(crate) fn id(&mut self, name: &'static str) -> Option<Uuid> {
        self.parsed(name, "invalid_id", |text| {
            Uuid::try_parse(text).map_err(|_| format!("{name} is no id; ids are UUIDs"))
        })
    }

    /// A list of at most so many different ids.
    pub(crate) fn ids(&mut self, name: &'static str, most: usize) -> Option<Vec<Uuid>> {
        let value = self.take(name)?;
        let Value::Array(items) = value else {
            self.wrong_type(name, "a list of ids", &value);
            return None;
        };
        if items.len() > most {
            self.error(
                name,
                "too_many",
                format!("{name} has more than {most} entries"),
            );
            return None;
        }
        let mut ids = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let below = format!("/{name}/{index}");
            match item.as_str().and_then(|text| Uuid::try_parse(text).ok()) {
                None => self.note(
                    below,
                    "invalid_id",
                    format!("entry {index} of {name} is no id; ids are UUIDs"),
                ),
                Some(id) if ids.contains(&id) => {
                    self.note(
                        below,
                        "duplicate",
                        format!("entry {index} of {name} is there twice"),
                    );
                }
                Some(id) => ids.push(id),
            }
        }
        Some(ids)
    }

    /// An object of which any fields are allowed; somebody else judges them.
    pub(crate) fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(fields) => Some(fields),
            other => {
                self.wrong_type(name, "an object", &other);
                None
            }
        }
    }

    /// An object with fields of its own, documented as `T`.
    pub(crate) fn nested<T: PartialSchema, R>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields) -> Option<R>,
    ) -> Option<R> {
        let value = self.take(name)?;
        let mut child = Fields::at::<T>(format!("{}/{}", self.pointer, escape(name)), value);
        let result = read(&mut child);
        let complete = child.errors.is_empty();
        child.assert_all_read();
        self.errors.append(&mut child.errors);
        result.filter(|_| complete)
    }

    /// The result, or everything that is wrong.
    pub(crate) fn finish<T>(self, make: impl FnOnce() -> Option<T>) -> Result<T, Problem> {
        self.assert_all_read();
        if !self.errors.is_empty() {
            return Err(Problem::invalid_fields(self.errors));
        }
        make().ok_or_else(|| Problem::internal("a field is missing although nothing was wrong"))
    }

    fn as_text(&mut self, name: &str, value: Value, most: usize) -> Option<String> {
        let Value::String(text) = value else {
            self.wrong_type(name, "a string", &value);
            return None;
        };
        let text = text.trim();
        if text.is_empty() {
            self.error(name, "empty", format!("{name} is empty"));
        } else if text.chars().count() > most {
            self.error(
                name,
                "too_long",
                format!("{name} has more than {most} characters"),
            );
        } else if text.chars().any(char::is_control) {
            self.error(
                name,
                "control_character",
                format!("{name} holds a control character"),
            );
        } else {
            return Some(text.to_owned());
        }
        None
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        let value = self.take_any(name)?;
        if value.is_null() {
            self.error(
                name,
                "wrong_type",
                format!("{name} must not be null; leave it out"),
            );
            return None;
        }
        Some(value)
    }

    fn take_any(&mut self, name: &'static str) -> Option<Value> {
        debug_assert!(self.known.contains(name), "{name} is not documented");
        self.unread.remove(name);
        self.values.remove(name)
    }

    fn wrong_type(&mut self, name: &str, wanted: &str, found: &Value) {
        let detail = format!("{name} must be {wanted}, not {}", type_of(found));
        self.error(name, "wrong_type", detail);
    }

    fn assert_all_read(&self) {
        debug_assert!(
            self.unread.is_empty(),
            "documented but not read: {:?}",
            self.unread
        );
    }
}

/// The fields of a documented object, and those it must have.
fn documented<T: PartialSchema>() -> (BTreeSet<String>, Vec<String>) {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => {
            (object.properties.into_keys().collect(), object.required)
        }
        _ => (BTreeSet::new(), Vec::new()),
    }
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
