//! The guard on hosts that users name: https and public, or allowed by the operator.
//!
//! Addresses are checked when a connection is made, so a name cannot point elsewhere between a check
//! and its use. A proxy resolves names itself: behind one, only addresses written as such are checked.

use std::net::{IpAddr, SocketAddr};

use model::net::AllowHosts;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// The host is not public or not https, and not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} may not be used: it must be https and have a public address, unless the operator allows it in COLLECTOR_ALLOW_HOSTS"
)]
pub struct Blocked {
    /// The host that was asked for.
    pub host: String,
}

/// Refuses what needs no name lookup: http, and addresses that are not public.
///
/// # Errors
/// [`Blocked`] if the host may not be used so.
pub fn check(allow: &AllowHosts, https: bool, host: &Host<&str>) -> Result<(), Blocked> {
    let reachable = match *host {
        Host::Domain(_) => true,
        Host::Ipv4(address) => allow.may_reach(IpAddr::V4(address)),
        Host::Ipv6(address) => allow.may_reach(IpAddr::V6(address)),
    };
    if allow.allows(host) || (https && reachable) {
        return Ok(());
    }
    Err(Blocked {
        host: host.to_string(),
    })
}

/// Resolves names to those addresses that may be reached.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    allow: AllowHosts,
}

/// A name has addresses, none of which may be reached.
#[derive(Debug, thiserror::Error)]
#[error("no address of the name is public or allowed")]
pub(crate) struct BlockedName;

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be resolved")]
pub(crate) struct UnknownName;

impl GuardedResolver {
    pub(crate) fn new(allow: AllowHosts) -> Self {
        Self { allow }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|_| UnknownName)?;
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() {
                return Err(UnknownName.into());
            }
            let reachable = reachable(&allow, name.as_str(), found);
            if reachable.is_empty() {
                return Err(BlockedName.into());
            }
            Ok::<Addrs, _>(Box::new(reachable.into_iter()))
        })
    }
}

fn reachable(allow: &AllowHosts, name: &str, mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let any = allow.allows_name(name);
    found.retain(|address| any || allow.may_reach(address.ip()));
    found
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn checked(url: &str, allow: &str) -> Result<(), Blocked> {
        let url = Url::parse(url).unwrap();
        let https = url.scheme() == "https";
        check(&allow.parse().unwrap(), https, &url.host().unwrap())
    }

    #[test]
    fn hosts_must_be_https_and_public_unless_allowed() {
        let open = [
            "https://acme.okta.com",
            "https://8.8.8.8",
            "https://[2606:4700::1]",
            "https://internal.example.com",
        ];
        let shut = [
            "http://acme.okta.com",
            "http://8.8.8.8",
            "https://127.0.0.1",
            "https://10.0.0.1:8443",
            "https://[::1]",
            "https://[::ffff:169.254.169.254]",
            "https://169.254.169.254",
        ];
        for origin in open {
            assert_eq!(checked(origin, ""), Ok(()), "{origin}");
        }
        for origin in shut {
            assert!(checked(origin, "").is_err(), "{origin}");
        }
        assert_eq!(checked("http://127.0.0.1:8080", "127.0.0.0/8"), Ok(()));
        assert_eq!(checked("http://sim:8080", "127.0.0.0/8,sim"), Ok(()));
        assert!(checked("http://localhost:8080", "127.0.0.0/8").is_err());
    }

    #[test]
    fn addresses_that_may_not_be_reached_are_dropped() {
        let found: Vec<SocketAddr> = ["8.8.8.8:0", "127.0.0.1:0", "10.1.1.1:0", "[::1]:0"]
            .map(|a| a.parse().unwrap())
            .into();
        let left = |allow: &str| -> Vec<String> {
            let left = reachable(&allow.parse().unwrap(), "sim", found.clone());
            left.into_iter()
                .map(|address| address.ip().to_string())
                .collect()
        };

        assert_eq!(left(""), ["8.8.8.8"]);
        assert_eq!(left("10.0.0.0/8"), ["8.8.8.8", "10.1.1.1"]);
        assert_eq!(left("sim").len(), 4);
    }
}
