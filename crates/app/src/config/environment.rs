//! The process's environment, as far as it is ours.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::problems::Problem;

/// All our variables begin so.
const PREFIX: &str = "COLLECTOR_";
/// Names the settings file.
const FILE: &str = "COLLECTOR_CONFIG";
/// The tests of this program have variables of their own.
const TESTS: &str = "COLLECTOR_TEST_";

/// The `COLLECTOR_*` variables of a process.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(super) variables: BTreeMap<String, String>,
    /// Names of variables whose value is no text.
    no_text: Vec<String>,
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn read() -> Self {
        let mut ours = Self::default();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            match value.to_str() {
                Some(value) => drop(ours.variables.insert(name.to_owned(), value.to_owned())),
                None => ours.no_text.push(name.to_owned()),
            }
        }
        ours
    }

    /// The settings file it names.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let file = self.variables.get(FILE).filter(|file| !file.is_empty());
        file.map(PathBuf::from)
    }

    /// Names that should be settings.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.variables.keys().map(String::as_str);
        names.filter(|name| *name != FILE && !name.starts_with(TESTS))
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        let what = "its value is not UTF-8";
        self.no_text
            .iter()
            .map(move |name| Problem::named(name, what, "plain text"))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            variables: variables.into(),
            no_text: Vec::new(),
        }
    }
}
