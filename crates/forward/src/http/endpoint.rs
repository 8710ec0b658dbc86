//! A URL that may hold a secret.

use std::fmt;

use url::Url;

/// Where requests go. Only the origin is ever shown.
#[derive(Clone)]
pub(crate) struct Endpoint(Url);

impl Endpoint {
    pub(crate) fn new(url: Url) -> Self {
        Self(url)
    }

    /// The host, as people write it.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// All of it: for requests only, never to be shown.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// Where a link in an answer from here leads; `None` if it leaves the origin.
    pub(crate) fn link(&self, href: &str) -> Option<Self> {
        let url = self.0.join(href).ok()?;
        (url.origin() == self.0.origin()).then_some(Self(url))
    }

    /// With these parameters added.
    pub(crate) fn with_query(&self, parameters: &[(&str, &str)]) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        Self(url)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::new(Url::parse(url).unwrap())
    }

    #[test]
    fn only_the_origin_is_shown() {
        let endpoint = endpoint("https://example.com:8443/v1/canary?token=canary");
        assert_eq!(format!("{endpoint:?}"), "https://example.com:8443");
        assert_eq!(endpoint.host(), "example.com");
    }

    #[test]
    fn links_stay_on_the_origin() {
        let here = endpoint("https://example.com/query/logs/1?x=y");
        assert_eq!(
            here.link("/query/2").unwrap().url().as_str(),
            "https://example.com/query/2"
        );
        assert!(here.link("https://example.com/query/2?a=b").is_some());
        assert!(here.link("http://example.com/query/2").is_none());
        assert!(here.link("https://example.com:444/query/2").is_none());
        assert!(here.link("//example.org/query/2").is_none());
    }
}
