//! The client against a real socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod answers;
mod bodies;
mod connections;
mod oauth;
mod oauth_answers;
mod real_data;
mod support;
