//! The reference of all settings, `docs/SETTINGS.md`, made of the table.

#![cfg(test)]

use std::fmt::Write;

use super::settings::{Care, SETTINGS, Setting};

const HEAD: &str = "\
# Settings

Made of the table in `crates/app/src/config/settings.rs`; do not edit. A test compares it, and
`UPDATE_DOCS=1 cargo test -p okta-collector --lib settings` writes it anew.

Settings come from a TOML file (`--config FILE`, else `COLLECTOR_CONFIG`) and from variables; a
variable wins over the file. What is unknown or wrong is an error, and all errors are told at once.
`okta-collector check-config` shows what holds, and where it came from. Durations are written like
`30s`, `15m`, `1h` or `7d`. Secrets can be read from a file: give its name in the variable with
`_FILE` at its end (in the TOML file: `_file`), not both.

";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for setting in SETTINGS
        .iter()
        .filter(|setting| setting.care != Care::Hidden)
    {
        let (of, name) = setting.key.split_once('.').unwrap();
        if of != section {
            section = of;
            write!(text, "## [{section}]\n\n").unwrap();
        }
        write!(text, "### `{}`\n\n{}\n\n", setting.variable, setting.about).unwrap();
        if setting.is_secret() {
            writeln!(
                text,
                "- Secret; or the name of a file in `{}`.",
                setting.file_variable()
            )
            .unwrap();
        }
        writeln!(text, "- In the file: `{name}` in `[{of}]`.").unwrap();
        writeln!(text, "- Default: {}.", default(setting)).unwrap();
        write!(text, "- Example: {}.\n\n", example(setting)).unwrap();
    }
    text.trim_end().to_owned() + "\n"
}

fn default(setting: &Setting) -> String {
    match setting.default {
        None => "none".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
    }
}

fn example(setting: &Setting) -> String {
    if setting.example.contains('`') || setting.example.contains(' ') {
        setting.example.to_owned()
    } else {
        format!("`{}`", setting.example)
    }
}

#[test]
fn the_reference_of_settings_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SETTINGS.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == reference(),
        "docs/SETTINGS.md is not what the table of settings says; \
         run UPDATE_DOCS=1 cargo test -p okta-collector --lib settings"
    );
}
