//! Service apps: the org's token endpoint, access tokens, DPoP.
//!
//! An app proves itself with an assertion signed by a key registered for it and gets an access token for an
//! hour of simulated time. An app that wants DPoP proves with every request that it holds the key its token
//! is bound to. Signatures are real; what Okta refuses is refused, in Okta's words.

mod access;
mod app;
mod assertion;
mod dpop;
mod error;
mod jwk;
mod jws;
mod keypair;
mod once;
mod token;

pub use app::App;
pub use jws::Algorithm;
pub use keypair::{KeyError, KeyPair};

pub(crate) use access::{Admitted, admit};
pub(crate) use app::{AppIndex, OAuth};
pub(crate) use token::answer;
