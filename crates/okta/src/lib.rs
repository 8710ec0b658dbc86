//! Okta System Log client: asks one org for one page at a time and says by meaning what went wrong.
//!
//! It keeps no state but open connections and the access tokens of service apps: positions, budgets and repetition are the caller's. Every
//! answer hands over the rate headers, every failure what is known of the answer behind it. A host that
//! a user named is reached only if it is public or allowed; redirects are never followed, and the
//! credential goes to the configured origin alone.

mod auth;
mod body;
mod client;
mod error;
mod events;
mod exchange;
mod failure;
mod link;
mod oauth;
mod org;
mod page;
mod rate;
mod refusal;
mod span;
mod transport;

pub use auth::Auth;
pub use client::{ClientConfig, ClientError, OktaClient};
pub use error::{ForbiddenKind, OktaError, Phase};
pub use events::{EventRef, Events, Flaw};
pub use failure::{Failure, Salvage};
pub use oauth::{Algorithm, GrantRefusal, KeyError, PrivateKey, ServiceApp};
pub use org::OrgInfo;
pub use page::{MAX_LIMIT, Page, PageRequest};
pub use rate::{LONGEST_WINDOW, RateHeaders};
