//! What is wrong with the settings, all of it at once.

use std::fmt;

use super::raw::From;
use super::settings::Setting;

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Problem {
    setting: String,
    what: String,
    example: String,
}

impl Problem {
    pub(super) fn named(setting: &str, what: impl Into<String>, example: &str) -> Self {
        Self {
            setting: setting.to_owned(),
            what: what.into(),
            example: example.to_owned(),
        }
    }

    pub(super) fn of_value(setting: &Setting, from: &From, what: String) -> Self {
        Self::named(
            &format!("{} ({from})", setting.variable),
            what,
            setting.example,
        )
    }

    pub(super) fn missing(setting: &Setting) -> Self {
        let file = if setting.is_secret() {
            format!(" or {}", setting.file_variable())
        } else {
            String::new()
        };
        let what = format!("this command needs it: set {}{file}", setting.variable);
        Self::named(setting.variable, what, setting.example)
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn none_or(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "there is a problem with the settings:")?,
            count => write!(f, "there are {count} problems with the settings:")?,
        }
        for Problem {
            setting,
            what,
            example,
        } in &self.0
        {
            write!(f, "\n  {setting}: {what}\n      for example: {example}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
