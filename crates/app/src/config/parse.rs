//! How the text of a setting becomes a value. Messages say what is wrong, never what a secret is.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use api::keys::ApiKey;
use model::duration::parse_duration;
use model::net::AllowHosts;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use store::sealing::KeyRing;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::Database;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Pretty on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err(format!("{text:?} is none of auto, json, pretty")),
        }
    }
}

/// An error as text.
pub(super) fn told(error: impl Display) -> String {
    error.to_string()
}

/// A duration within bounds, both written as durations.
pub(super) fn duration(text: &str, least: &str, most: &str) -> Result<Duration, String> {
    let value = parse_duration(text).map_err(told)?;
    let within = parse_duration(least).map_err(told)?..=parse_duration(most).map_err(told)?;
    if within.contains(&value) {
        Ok(value)
    } else {
        Err(format!("{text} is not between {least} and {most}"))
    }
}

pub(super) fn number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!(
            "{text:?} is no whole number from {least} to {most}"
        )),
    }
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        _ => Err(format!("{text:?} is no number above 0 and up to 1")),
    }
}

/// As [`share`], and 0 for none.
pub(super) fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err(format!("{text:?} is no number from 0 to 1")),
    }
}

/// The base address of an OTLP endpoint; empty: none. What stands in it may be logged, so it may hold
/// no password.
pub(super) fn endpoint(text: &str) -> Result<Option<Url>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("it does not begin with http:// or https:// and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("it holds a user or a query; secrets belong into the headers".to_owned());
    }
    Ok(Some(url))
}

/// Headers as `name=value`, with commas between them. Values are not repeated.
pub(super) fn headers(text: &str) -> Result<Vec<(HeaderName, SecretString)>, String> {
    let pairs = text.split(',').map(str::trim);
    let header = |pair: &str| {
        let (name, value) = pair
            .split_once('=')
            .ok_or("a part of it is not of the form name=value")?;
        let name = HeaderName::from_str(name.trim())
            .map_err(|_| "a part of it begins with something that is no name of a header")?;
        HeaderValue::from_str(value)
            .map_err(|_| format!("the value of {name} cannot stand in a header"))?;
        Ok((name, value.into()))
    };
    pairs.filter(|pair| !pair.is_empty()).map(header).collect()
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let form = |_| format!("{text:?} is not of the form address:port");
    text.parse().map_err(form)
}

pub(super) fn optional_address(text: &str) -> Result<Option<SocketAddr>, String> {
    match text {
        "" => Ok(None),
        text => address(text).map(Some),
    }
}

pub(super) fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

pub(super) fn hosts(text: &str) -> Result<AllowHosts, String> {
    text.parse().map_err(told)
}

pub(super) fn keys(text: &str) -> Result<SecretString, String> {
    KeyRing::parse(text).map_err(told)?;
    Ok(text.into())
}

pub(super) fn api_key(text: &str) -> Result<SecretString, String> {
    ApiKey::parse(text).map_err(told)?;
    Ok(text.into())
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let _filter: EnvFilter = text.parse().map_err(|error| format!("{text:?}: {error}"))?;
    Ok(text.to_owned())
}

/// A URL of a PostgreSQL database. What stands in it is not repeated: it may hold a password.
pub(super) fn postgres_url(text: &str) -> Result<SecretString, String> {
    let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
    match url.scheme() {
        "postgres" | "postgresql" => Ok(text.into()),
        scheme => Err(format!("it begins with {scheme}://, not with postgres://")),
    }
}

/// The URL with the password that is set apart from it.
pub(super) fn database_url(database: &Database) -> Result<Option<SecretString>, String> {
    let (Some(url), Some(password)) = (&database.url, &database.password) else {
        return Ok(database.url.clone());
    };
    let mut url = Url::parse(url.expose_secret()).map_err(told)?;
    if url.password().is_some() {
        return Err("the URL of the database holds a password already".to_owned());
    }
    url.set_password(Some(password.expose_secret()))
        .map_err(|()| "the URL of the database names no host to send a password to".to_owned())?;
    Ok(Some(String::from(url).into()))
}
