//! A faithful simulated Okta org, over real TCP.
//!
//! Shows what Okta's System Log API shows: pages with their links, order and retention, API tokens, service
//! apps with OAuth 2.0 and DPoP, rate limit windows, headers and error bodies. It adds what tests need and no real org offers: a clock
//! that is moved ([`SimClock`]), faults on request ([`Fault`]), a record of every request
//! ([`RequestRecord`]) and counts of its own ([`Org::published_count`], [`Org::unread`]).
//!
//! Everything lives in memory: an org that ends is gone with its events, and the same
//! configuration makes the same org again.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use okta_sim::{Events, Sim, SimConfig};
//!
//! let sim = Sim::start(SimConfig::with_token("00secret")).await?;
//! sim.org().persist(Events::from_lines([r#"{"uuid":"1","eventType":"user.session.start"}"#])?);
//! println!("{}/api/v1/logs", sim.url());
//! # Ok(()) }
//! ```

mod apitokens;
mod auth;
mod body;
mod busy;
mod clock;
mod config;
mod control;
mod errors;
mod events;
mod faults;
mod filter;
mod generate;
mod headers;
mod hosts;
mod limits;
mod logs;
mod oauth;
mod org;
mod orginfo;
mod record;
mod respond;
mod rng;
mod route;
mod server;
mod tls;

pub use auth::{AuthorizationKind, TokenState, UnknownPrincipal, UnknownToken};
pub use clock::SimClock;
pub use config::{
    BadDate, LimitRule, LinkStyle, OrgConfig, Rate, RateLimits, SimConfig, WindowStart, Windows,
};
pub use control::Controlled;
pub use events::{Events, EventsError, ScanError, Shown};
pub use faults::{Fault, Injection};
pub use generate::{Generator, base_time, generate};
pub use hosts::Hosted;
pub use oauth::{Algorithm, App, KeyError, KeyPair};
pub use org::{Org, PersistError};
pub use record::{RateWindow, RequestRecord};
pub use server::{Sim, SimError};
pub use tls::{Tls, TlsError};
