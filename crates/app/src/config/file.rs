//! The settings file: TOML with a table per section.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::problems::Problem;

/// Reads a settings file into texts by `section.name`. What is not readable as such is a problem.
pub(super) fn read(path: &Path) -> Result<(BTreeMap<String, String>, Vec<Problem>), Problem> {
    let name = path.display().to_string();
    let refuse =
        |what: String| Problem::named(&name, what, "a TOML file such as docs/SETTINGS.md shows");
    let text = std::fs::read_to_string(path)
        .map_err(|error| refuse(format!("it cannot be read: {error}")))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The message without the line itself, which may hold a secret.
        let at = error.span().and_then(|span| text.get(..span.start));
        let line = at.map_or(1, |before| before.matches('\n').count() + 1);
        refuse(format!("line {line}: {}", error.message()))
    })?;
    let (mut texts, mut problems) = (BTreeMap::new(), Vec::new());
    for (section, content) in table {
        let Value::Table(settings) = content else {
            let what = format!("{section:?} stands outside of a section");
            problems.push(Problem::named(
                &name,
                what,
                "[worker] on a line of its own, then lease = \"1m\"",
            ));
            continue;
        };
        for (setting, value) in settings {
            let key = format!("{section}.{setting}");
            match plain(&value) {
                Some(text) => drop(texts.insert(key, text)),
                None => problems.push(Problem::named(
                    &format!("{key} in {name}"),
                    "it is neither text nor a number nor a list of texts",
                    "lease = \"1m\"",
                )),
            }
        }
    }
    Ok((texts, problems))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            Some(texts?.join(","))
        }
        Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}
