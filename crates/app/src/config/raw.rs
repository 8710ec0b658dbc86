//! The texts of all settings, and where each came from. A variable wins over the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::problems::Problem;
use super::settings::{SETTINGS, Setting};
use super::{Environment, Wanted, file};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Not set.
    Default,
    /// A variable of this name.
    Variable(String),
    /// The settings file.
    File(String),
    /// A file of its own, named by this variable or key.
    SecretFile(String),
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Variable(_) => f.write_str("from the environment"),
            Self::File(path) => write!(f, "from {path}"),
            Self::SecretFile(name) => write!(f, "from the file that {name} names"),
        }
    }
}

/// The text of a setting.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) from: From,
}

/// Collects the texts of all settings, by key, and everything that is wrong before one is looked at.
pub(super) fn read(
    environment: &Environment,
    wanted: Wanted<'_>,
) -> (BTreeMap<&'static str, Value>, Vec<Problem>) {
    let mut problems: Vec<Problem> = environment.problems().collect();
    let path = wanted
        .file
        .map(Path::to_path_buf)
        .or_else(|| environment.file());
    let in_file = match path.as_deref().map(file::read) {
        Some(Ok((texts, more))) => {
            problems.extend(more);
            texts
        }
        Some(Err(problem)) => {
            problems.push(problem);
            BTreeMap::new()
        }
        None => BTreeMap::new(),
    };
    let path = path
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    problems.extend(unknown(environment, &in_file, &path));

    let mut values = BTreeMap::new();
    for setting in SETTINGS {
        let in_variable = Form {
            plain: environment.variables.get(setting.variable),
            file: environment.variables.get(&setting.file_variable()),
            file_name: setting.file_variable(),
            from: From::Variable(setting.variable.to_owned()),
        };
        let in_file = Form {
            plain: in_file.get(setting.key),
            file: in_file.get(&setting.file_key()),
            file_name: setting.file_key(),
            from: From::File(path.clone()),
        };
        let found = match in_variable.value(setting) {
            Ok(None) => in_file.value(setting),
            found => found,
        };
        match found {
            Ok(Some(value)) => drop(values.insert(setting.key, value)),
            Ok(None) => {
                let own = wanted.defaults.iter().find(|(key, _)| *key == setting.key);
                if let Some(text) = own.map(|(_, text)| *text).or(setting.default) {
                    let text = text.to_owned();
                    values.insert(
                        setting.key,
                        Value {
                            text,
                            from: From::Default,
                        },
                    );
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    (values, problems)
}

/// What one place says about a setting: itself, or the name of a file that holds it.
struct Form<'a> {
    plain: Option<&'a String>,
    file: Option<&'a String>,
    file_name: String,
    from: From,
}

impl Form<'_> {
    fn value(self, setting: &Setting) -> Result<Option<Value>, Problem> {
        let file = self.file.filter(|_| setting.is_secret());
        match (self.plain, file) {
            (Some(_), Some(_)) => {
                let what = format!(
                    "it is given twice, also by {}: leave one out",
                    self.file_name
                );
                Err(Problem::named(setting.variable, what, &self.file_name))
            }
            (Some(text), None) => Ok(Some(Value {
                text: text.clone(),
                from: self.from,
            })),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let what = format!("the file {path} cannot be read: {error}");
                    Problem::named(&self.file_name, what, "/run/secrets/collector")
                })?;
                // Editors and `echo` end a file with a line feed that is not part of the secret.
                let text = text.trim_end_matches(['\r', '\n']).to_owned();
                Ok(Some(Value {
                    text,
                    from: From::SecretFile(self.file_name),
                }))
            }
            (None, None) => Ok(None),
        }
    }
}

/// Names that are no settings, each with the setting that was perhaps meant.
fn unknown(
    environment: &Environment,
    in_file: &BTreeMap<String, String>,
    path: &str,
) -> Vec<Problem> {
    let secrets = || SETTINGS.iter().filter(|setting| setting.is_secret());
    let mut variables: Vec<String> = SETTINGS.iter().map(|it| it.variable.to_owned()).collect();
    variables.extend(secrets().map(Setting::file_variable));
    let mut keys: Vec<String> = SETTINGS.iter().map(|it| it.key.to_owned()).collect();
    keys.extend(secrets().map(Setting::file_key));

    let of_variables = environment
        .names()
        .filter_map(|name| suggest(name, name, &variables));
    let of_keys = in_file
        .keys()
        .filter_map(|key| suggest(&format!("{key} in {path}"), key, &keys));
    of_variables.chain(of_keys).collect()
}

fn suggest(shown: &str, name: &str, known: &[String]) -> Option<Problem> {
    if known.iter().any(|known| known == name) {
        return None;
    }
    let likeness = |known: &String| strsim::jaro_winkler(known, name);
    let meant = known
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let meant = meant.map_or("", String::as_str);
    let what = format!("there is no such setting; did you mean {meant}?");
    Some(Problem::named(
        shown,
        what,
        "`okta-collector check-config` lists all settings",
    ))
}
