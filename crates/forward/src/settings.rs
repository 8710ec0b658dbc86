//! The settings of a destination: one JSON object, of which a part is secret.
//!
//! What may be shown is stored as it is, the secrets sealed beside it; put together they are what a
//! person gave. Where both hold a field, the secret one is whole.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

/// All settings of a destination, secrets among them; never shown.
#[derive(Clone, Default)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// As a person gave them.
    pub fn given(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// As they are stored: the part that may be shown, and the secrets.
    pub fn stored(config: &Value, secrets: Option<&SecretString>) -> Self {
        let mut settings = Self(object(config.clone()));
        if let Some(secrets) = secrets {
            // What was sealed by this program is an object; anything else leaves the secrets out, and
            // they are then missing by name.
            let secrets = serde_json::from_str(secrets.expose_secret()).unwrap_or_default();
            settings.0.extend(object(secrets));
        }
        settings
    }

    /// With changes one level deep (RFC 7396): null takes a setting away.
    #[must_use]
    pub fn patched(mut self, patch: Map<String, Value>) -> Self {
        for (name, value) in patch {
            if value.is_null() {
                self.0.remove(&name);
            } else {
                self.0.insert(name, value);
            }
        }
        self
    }

    /// One of the settings.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names of the settings.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn fields(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl fmt::Debug for Settings {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Settings that are as they should be, all defaults filled in.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What may be stored as it is and shown.
    pub config: Value,
    /// What is to be sealed: a JSON object; none if there is nothing secret.
    pub secrets: Option<SecretString>,
    /// Where the secrets are sent to, as a text that changes with it. A change of it wants the secrets
    /// anew.
    pub target: Option<String>,
}

/// What is wrong with settings, or all of them in their stored form.
pub(crate) type Parsed<T> = Result<T, Vec<FieldError>>;

/// One thing that is wrong with the settings of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer inside the settings; empty: the settings as a whole.
    pub pointer: String,
    /// What is wrong, as a stable word.
    pub code: &'static str,
    /// What is wrong, for a person. Never holds a secret.
    pub detail: String,
}

impl FieldError {
    /// An error of the settings as a whole.
    pub(crate) fn whole(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            pointer: String::new(),
            code,
            detail: detail.into(),
        }
    }

    /// An error of the field with this name.
    pub(crate) fn field(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::at(&[name], code, detail)
    }

    /// An error at the end of a path of names and indices.
    pub(crate) fn at(path: &[&str], code: &'static str, detail: impl Into<String>) -> Self {
        let parts = path.iter();
        let parts = parts.map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")));
        Self {
            pointer: parts.collect(),
            ..Self::whole(code, detail)
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Reads settings field by field and gathers everything that is wrong with them.
///
/// A reader method gives `None` where a field is missing or wrong; what is wrong is noted. The end of
/// reading, [`Reader::finish`], refuses fields that nobody asked for.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    kind: &'static str,
    fields: &'a Map<String, Value>,
    asked: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(kind: &'static str, settings: &'a Settings) -> Self {
        Self {
            kind,
            fields: settings.fields(),
            asked: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Notes something that is wrong with a field.
    pub(crate) fn error(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push(FieldError::field(name, code, detail));
    }

    /// Notes something that is wrong inside a field.
    pub(crate) fn error_at(&mut self, path: &[&str], code: &'static str, detail: String) {
        self.errors.push(FieldError::at(path, code, detail));
    }

    /// The value of a field, whatever it is; null is as good as missing.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.value(name)?;
        let text = value.as_str();
        if text.is_none() {
            self.error(name, "wrong_type", format!("{name} must be a string"));
        }
        text
    }

    /// A text that must be there.
    pub(crate) fn required(&mut self, name: &'static str) -> Option<&'a str> {
        if self.value(name).is_none() {
            self.error(name, "required", format!("{name} is missing"));
            return None;
        }
        self.text(name)
    }

    /// A whole number within bounds; `default` if missing.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        default: usize,
        least: usize,
        most: usize,
    ) -> usize {
        let Some(value) = self.value(name) else {
            return default;
        };
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        match number {
            Some(number) if (least..=most).contains(&number) => number,
            _ => {
                let detail = format!("{name} must be a whole number from {least} to {most}");
                self.error(name, "out_of_range", detail);
                default
            }
        }
    }

    /// A truth value; `false` if missing.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        let Some(value) = self.value(name) else {
            return false;
        };
        value.as_bool().unwrap_or_else(|| {
            self.error(name, "wrong_type", format!("{name} must be true or false"));
            false
        })
    }

    /// Everything that was wrong, or what `make` makes of the fields; it gives `None` only where an
    /// error was noted.
    pub(crate) fn finish<T>(mut self, make: impl FnOnce() -> Option<T>) -> Parsed<T> {
        for name in self.fields.keys() {
            if !self.asked.contains(&name.as_str()) {
                let detail = format!("{} has no setting called {name:?}", self.kind);
                self.errors
                    .push(FieldError::field(name, "unknown_field", detail));
            }
        }
        match make() {
            Some(parsed) if self.errors.is_empty() => Ok(parsed),
            _ => Err(self.errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(value: Value) -> Settings {
        Settings::given(object(value))
    }

    #[test]
    fn secrets_stand_before_what_is_shown_and_patches_before_both() {
        let config = json!({"url": "a", "headers": [{"name": "x"}]});
        let secrets = SecretString::from(r#"{"headers": [{"name": "x", "value": "s"}]}"#);
        let stored = Settings::stored(&config, Some(&secrets));
        assert_eq!(
            stored.fields()["headers"],
            json!([{"name": "x", "value": "s"}])
        );
        let patch = object(json!({"url": "b", "headers": null}));
        let patched = stored.patched(patch);
        assert_eq!(Value::Object(patched.0), json!({"url": "b"}));
    }

    #[test]
    fn nothing_of_settings_is_shown_but_names() {
        let settings = given(json!({"token": "canary"}));
        assert_eq!(format!("{settings:?}"), r#"{"token"}"#);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let settings = given(json!({"url": 7, "gzip": "yes", "n": 99, "odd/~": 1}));
        let mut reader = Reader::new("a thing", &settings);
        reader.required("url");
        reader.required("token");
        reader.flag("gzip");
        reader.number("n", 1, 1, 10);
        let errors = reader.finish(|| Some(())).unwrap_err();
        let told: Vec<_> = errors
            .iter()
            .map(|it| (it.pointer.as_str(), it.code))
            .collect();
        let expected = [
            ("/url", "wrong_type"),
            ("/token", "required"),
            ("/gzip", "wrong_type"),
            ("/n", "out_of_range"),
            ("/odd~1~0", "unknown_field"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn null_is_as_good_as_missing() {
        let settings = given(json!({"n": null}));
        let mut reader = Reader::new("a thing", &settings);
        let n = reader.number("n", 3, 1, 10);
        assert_eq!(reader.finish(|| Some(n)), Ok(3));
    }
}
