//! Makes destinations of their stored settings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::{Destination, FileDestination};

/// One thing that is wrong with the settings of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer inside the settings; empty: the settings as a whole.
    pub pointer: String,
    /// What is wrong, as a stable word.
    pub code: &'static str,
    /// What is wrong, for a person.
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
        Self {
            pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            ..Self::whole(code, detail)
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Why stored settings make no destination here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No destination of this kind is known; a newer version may have stored it.
    #[error("there is no kind of destination called {0:?}")]
    UnknownKind(String),
    /// The settings are wrong, or not allowed on this machine.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<FieldError>),
}

/// Makes destinations of stored settings.
pub trait Destinations: Send + Sync + fmt::Debug {
    /// The destination of a kind with these settings. Touches neither disk nor network.
    ///
    /// # Errors
    /// As [`OpenError`] says; the same settings may open on a machine that is set up otherwise.
    fn open(&self, kind: &str, config: &Value) -> Result<Arc<dyn Destination>, OpenError>;

    /// The settings as they should be stored, all defaults filled in.
    ///
    /// # Errors
    /// Everything that is wrong with them, field by field.
    fn check(&self, kind: &str, config: &Value) -> Result<Value, Vec<FieldError>>;
}

/// The kinds of destination that this program knows.
#[derive(Debug)]
pub struct Registry {
    file_root: Option<PathBuf>,
}

impl Registry {
    /// Files are written below `file_root` only; without one there are no file destinations.
    pub fn new(file_root: Option<PathBuf>) -> Self {
        Self { file_root }
    }

    fn file(&self, config: &Value) -> Result<FileDestination, Vec<FieldError>> {
        FileDestination::new(self.file_root.as_deref(), config)
    }
}

impl Destinations for Registry {
    fn open(&self, kind: &str, config: &Value) -> Result<Arc<dyn Destination>, OpenError> {
        match kind {
            FileDestination::KIND => match self.file(config) {
                Ok(file) => Ok(Arc::new(file)),
                Err(errors) => Err(OpenError::Settings(errors)),
            },
            _ => Err(OpenError::UnknownKind(kind.to_owned())),
        }
    }

    fn check(&self, kind: &str, config: &Value) -> Result<Value, Vec<FieldError>> {
        match kind {
            FileDestination::KIND => self.file(config).map(|file| file.config()),
            _ => Err(vec![FieldError::whole(
                "unknown_kind",
                OpenError::UnknownKind(kind.to_owned()).to_string(),
            )]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_kind_is_refused() {
        let registry = Registry::new(None);
        let errors = registry.check("pigeon", &json!({})).unwrap_err();
        assert_eq!(errors[0].code, "unknown_kind");
        assert_eq!(
            registry.open("pigeon", &json!({})).unwrap_err().to_string(),
            "there is no kind of destination called \"pigeon\""
        );
    }

    #[test]
    fn a_pointer_escapes_the_name() {
        assert_eq!(FieldError::field("a/b~c", "x", "y").pointer, "/a~1b~0c");
    }
}
