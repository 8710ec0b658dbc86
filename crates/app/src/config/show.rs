//! What `check-config` prints: every setting with its value, where that came from, and its meaning.

use super::settings::{Care, SETTINGS};
use super::{Environment, Wanted, raw};

/// Lists all settings. Secrets are shown as set or not, never as they are.
pub(crate) fn show(environment: &Environment, wanted: Wanted<'_>) -> String {
    let (values, _) = raw::read(environment, wanted);
    let mut lines = Vec::new();
    for setting in SETTINGS
        .iter()
        .filter(|setting| setting.care != Care::Hidden)
    {
        let value = match values.get(setting.key) {
            None => "not set".to_owned(),
            Some(value) if setting.is_secret() => format!("(secret)  [{}]", value.from),
            Some(value) if value.text.is_empty() => format!("(empty)  [{}]", value.from),
            Some(value) => format!("{}  [{}]", value.text, value.from),
        };
        lines.push(format!(
            "{} = {value}
    {}
",
            setting.variable, setting.about
        ));
    }
    lines.concat()
}
