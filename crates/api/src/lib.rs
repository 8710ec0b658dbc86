//! The HTTP API.
//!
//! `endpoints.rs` is the one list of endpoints; each has a file `handlers/<resource>/<verb>.rs` with
//! its request, its response, its documentation and its function. A request passes, from the outside
//! in: `observe` (id, log line, measurement, problems), `body` (size and time), `auth` (whose it
//! is), `surface` (does this method and do these parameters exist), and then its handler, which makes
//! its change in one transaction of the store. A crash in between leaves the change made or not
//! made, never half.

mod answer;
mod auth;
mod body;
mod conditional;
mod config;
mod endpoints;
mod fields;
mod gate;
mod gauges;
mod handlers;
mod hint;
pub mod keys;
mod observe;
mod openapi;
mod pagination;
mod path_id;
mod problem;
mod query;
mod ready;
mod server;
mod state;
mod suggest;
mod surface;
mod trace;
mod trial;

pub use config::ApiConfig;
pub use openapi::{openapi, openapi_json, openapi_v30_json};
pub use server::{Probes, serve, serve_probes};
pub use state::{ApiState, OktaAccess, RenderMetrics};
