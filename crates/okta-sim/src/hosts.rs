//! Several orgs behind one listener, told apart by the `Host` header.

use std::sync::Arc;

use crate::clock::SimClock;
use crate::config::OrgConfig;
use crate::org::Org;

/// An org and the host names it is known by.
#[derive(Clone, Debug)]
pub struct Hosted {
    /// Names without a port, such as `acme.okta.test`; its console `acme-admin.okta.test` comes with it. None
    /// means every name.
    pub hosts: Vec<String>,
    /// The org.
    pub org: Org,
}

/// The orgs of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    orgs: Arc<[Hosted]>,
    nowhere: Org,
}

impl Hosts {
    pub(crate) fn new(orgs: Vec<Hosted>) -> Self {
        let clock = orgs
            .first()
            .map_or_else(SimClock::new, |first| first.org.clock().clone());
        let nowhere = Org::new(OrgConfig::default(), clock);
        nowhere.set_present(false);
        Self {
            orgs: orgs.into(),
            nowhere,
        }
    }

    /// The org of a `Host` header; a host that is no org answers like one.
    pub(crate) fn org(&self, host: &str) -> &Org {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let plain = name.replacen("-admin.", ".", 1);
        let is =
            |known: &String| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(&plain);
        self.orgs
            .iter()
            .find(|hosted| hosted.hosts.is_empty() || hosted.hosts.iter().any(is))
            .map_or(&self.nowhere, |hosted| &hosted.org)
    }
}
