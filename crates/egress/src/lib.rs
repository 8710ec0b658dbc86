//! The way out to hosts that users name: Okta orgs and destinations.
//!
//! One HTTP client builder with everything that a host named by a stranger calls for: its addresses are
//! looked at when a connection is made, redirects are not followed, and no proxy is taken from the
//! environment. [`check`] must be asked about every URL besides, because a host written as an address
//! needs no lookup. [`Fault`] says why no answer came.

mod fault;
mod guard;

use model::net::AllowHosts;
use reqwest::{ClientBuilder, redirect};

pub use fault::{Fault, body_was_undecodable};
pub use guard::{Blocked, check};

/// Begins a client that reaches public hosts, and those of `allow`.
pub fn builder(allow: AllowHosts) -> ClientBuilder {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
        .http1_only()
        .no_proxy()
        .dns_resolver(guard::GuardedResolver::new(allow))
}
