//! Origins: where an Okta org lives, read from whatever a person pastes into the domain box.
//!
//! Every spelling of one org becomes the same [`Origin`], so that budgets, pinned links and "in use"
//! checks compare equal. Whether the host is an Okta org at all is asked over the network, elsewhere.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};

use crate::net::is_host_name;

/// Domains below which Okta keeps its orgs.
const OKTA_SUFFIXES: [&str; 7] = [
    "okta.com",
    "oktapreview.com",
    "okta-emea.com",
    "okta-gov.com",
    "okta.mil",
    "okta-miltest.com",
    "trex-govcloud.com",
];

/// Names below those domains that are sites of Okta's own, often open while somebody looks for theirs.
const OKTA_SITES: [&str; 6] = ["www", "login", "developer", "help", "support", "status"];

/// Scheme, host and port of an Okta org, such as `https://acme.okta.com`.
///
/// Serialised as that string. Deserialising is for values that were stored: it accepts `http` as well,
/// because whether an origin may be spoken to is decided anew at each connection.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(Url);

/// Why a text names no origin, and what to type instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Nothing but blanks.
    #[error("the domain is empty, type your Okta domain, for example acme.okta.com")]
    Empty,
    /// A stand-in of the documentation, such as `{yourOktaDomain}`.
    #[error(
        "{{yourOktaDomain}} and the like are placeholders, type your own domain, for example acme.okta.com"
    )]
    Placeholder,
    /// Something before an `@`.
    #[error(
        "the domain holds an @, type only the domain without a user name or password, for example acme.okta.com"
    )]
    UserInfo,
    /// What looks like an API token; never repeated in the message.
    #[error(
        "this looks like an API token, it belongs in the token field; type your domain here, for example acme.okta.com"
    )]
    Token,
    /// A scheme other than `https`.
    #[error("{0}:// is no way to reach Okta, type https:// or leave it out")]
    Scheme(String),
    /// Two schemes in a row.
    #[error("the address has :// twice, type it once or leave it out")]
    SchemeTwice,
    /// `http`, where only `https` may be.
    #[error("http:// would send the token readable by anyone on the way, type https://{0}")]
    Insecure(String),
    /// Not a host name or address.
    #[error("{0:?} is no domain, type your Okta domain, for example acme.okta.com")]
    Host(String),
    /// A port that is no number from 1 to 65535.
    #[error("{0:?} is no port, leave the port out: Okta listens on 443")]
    Port(String),
    /// One of Okta's own domains without an org before it.
    #[error("{0} is Okta's own domain, put your org before it, for example acme.{0}")]
    NoOrg(String),
    /// A domain such as `acme.okta.com.com` or `acme.okta.com.okta.com`.
    #[error("{0} has its ending twice, type it once, for example acme.okta.com")]
    SuffixTwice(String),
}

impl Origin {
    /// Reads what a person typed; only `https` is accepted.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        Self::parse_with(text, false)
    }

    /// Reads what a person typed; `http` is accepted if `allow_http`, for simulators and tests.
    ///
    /// A lone word such as `acme` means `acme.okta.com`, except `localhost` and words with a port or
    /// with `http://` before them. Of Okta's own hosts the `-admin` of the console is dropped.
    pub fn parse_with(text: &str, allow_http: bool) -> Result<Self, OriginError> {
        let text = unquote(text.trim());
        if text.is_empty() {
            return Err(OriginError::Empty);
        }
        let (scheme, rest) = split_scheme(text)?;
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        check_authority(authority)?;
        let (host, port) = split_port(authority)?;
        let mut host = read_host(host)?;
        if let Host::Domain(name) = &mut host {
            if matches!(name.as_str(), "http" | "https") {
                return Err(OriginError::Host(text.to_owned()));
            }
            let lone = !name.contains('.') && name != "localhost";
            if lone && port.is_none() && scheme != Scheme::Http {
                name.push_str(".okta.com");
            }
            strip_admin(name)?;
        }
        if scheme == Scheme::Http && !allow_http {
            return Err(OriginError::Insecure(host.to_string()));
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let url = Url::parse(&format!("{}://{host}{port}/", scheme.as_str()))
            .map_err(|_| OriginError::Host(authority.to_owned()))?;
        Ok(Self(url))
    }

    /// The host: a lower-case name in Punycode, or an address.
    pub fn host(&self) -> Host<&str> {
        // An http(s) URL always has a host, so the other arm is never taken.
        self.0.host().unwrap_or(Host::Domain(""))
    }

    /// The port, 443 or 80 if none was typed.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// Whether the origin is spoken to with TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL of an absolute path on this origin, without query.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// Whether the host is below one of Okta's own domains, not a custom domain.
    pub fn is_okta_suffix(&self) -> bool {
        matches!(self.host(), Host::Domain(name) if okta_suffix(name).is_some())
    }

    /// Whether a URL stays on this origin: same scheme, host and port, and no user name in it.
    pub fn same_origin(&self, url: &Url) -> bool {
        url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_with(&text, true).map_err(de::Error::custom)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    None,
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::None | Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// Takes off what mail programs, chats and code put around an address.
fn unquote(text: &str) -> &str {
    let inner = |open: char, close: char| text.strip_prefix(open)?.strip_suffix(close);
    let quoted = ['"', '\'', '`'].into_iter().find_map(|q| inner(q, q));
    let in_angles = || inner('<', '>').filter(|text| text.contains("://"));
    quoted.or_else(in_angles).unwrap_or(text).trim()
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), OriginError> {
    let known = [("https:", Scheme::Https), ("http:", Scheme::Http)];
    let start = text.to_ascii_lowercase();
    let (scheme, rest) = match known.into_iter().find(|(word, _)| start.starts_with(word)) {
        // One slash or none is a typing error that leaves no doubt.
        Some((word, scheme)) => {
            let rest = text.get(word.len()..).unwrap_or_default();
            (scheme, rest.trim_start_matches('/'))
        }
        None => match text.split_once("://") {
            Some((word, _)) if is_scheme(word) => {
                return Err(OriginError::Scheme(word.to_ascii_lowercase()));
            }
            // A later `://`, as in `acme.okta.com/login?from=https://..`; or none, perhaps `//acme.okta.com`.
            _ => (Scheme::None, text.strip_prefix("//").unwrap_or(text)),
        },
    };
    match rest.split_once("://") {
        Some((word, _)) if is_scheme(word) => Err(OriginError::SchemeTwice),
        _ => Ok((scheme, rest)),
    }
}

fn is_scheme(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Finds what is not a host at all but is often pasted in its place.
fn check_authority(authority: &str) -> Result<(), OriginError> {
    if authority.contains(['{', '}', '<', '>', '$'])
        || authority.to_ascii_lowercase().contains("youroktadomain")
    {
        return Err(OriginError::Placeholder);
    }
    if authority.contains('@') {
        return Err(OriginError::UserInfo);
    }
    // An SSWS token is 42 letters, digits, `-` and `_`, the first two of them `00`.
    if authority.starts_with("00") && authority.len() >= 30 && !authority.contains('.') {
        return Err(OriginError::Token);
    }
    Ok(())
}

/// Takes a port off; the colons inside `[..]` belong to the address.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), OriginError> {
    let Some((host, port)) = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.contains(']'))
    else {
        return Ok((authority, None));
    };
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((host, Some(number)))
        }
        _ if port.is_empty() => Ok((host, None)),
        _ => Err(OriginError::Port(port.to_owned())),
    }
}

fn read_host(text: &str) -> Result<Host<String>, OriginError> {
    let wrong = || OriginError::Host(text.to_owned());
    let text_without_dots = text.trim_end_matches('.');
    match Host::parse(text_without_dots).map_err(|_| wrong())? {
        Host::Domain(name) if is_host_name(&name) && !name.ends_with('.') => Ok(Host::Domain(name)),
        // A lone number is an address to a URL parser, but a person did not mean 0.0.0.7 by it.
        Host::Ipv4(address) if address.to_string() == text_without_dots => Ok(Host::Ipv4(address)),
        Host::Ipv6(address) => Ok(Host::Ipv6(address)),
        Host::Domain(_) | Host::Ipv4(_) => Err(wrong()),
    }
}

/// The part before one of Okta's own domains and the domain: `("acme", "okta.com")`.
fn okta_suffix(name: &str) -> Option<(&str, &'static str)> {
    OKTA_SUFFIXES.iter().find_map(|&suffix| {
        let org = name.strip_suffix(suffix)?.strip_suffix('.')?;
        Some((org, suffix))
    })
}

fn strip_admin(name: &mut String) -> Result<(), OriginError> {
    if OKTA_SUFFIXES.contains(&name.as_str()) {
        return Err(OriginError::NoOrg(name.clone()));
    }
    let Some((org, suffix)) = okta_suffix(name) else {
        if name.ends_with(".com.com") {
            return Err(OriginError::SuffixTwice(name.clone()));
        }
        return Ok(());
    };
    if OKTA_SUFFIXES.contains(&org) || okta_suffix(org).is_some() {
        return Err(OriginError::SuffixTwice(name.clone()));
    }
    if OKTA_SITES.contains(&org) {
        return Err(OriginError::NoOrg(suffix.to_owned()));
    }
    if org.ends_with("-admin") {
        // Repeated, so that reading the result once more changes nothing.
        let org = org.trim_end_matches("-admin");
        if !is_host_name(org) {
            return Err(OriginError::NoOrg(suffix.to_owned()));
        }
        *name = format!("{org}.{suffix}");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
