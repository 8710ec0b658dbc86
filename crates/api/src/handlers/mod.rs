//! The endpoints, one file each.

pub(crate) mod api_keys;
pub(crate) mod backfills;
pub(crate) mod check;
pub(crate) mod credential_tests;
pub(crate) mod credentials;
pub(crate) mod destinations;
pub(crate) mod docs;
pub(crate) mod jobs;
pub(crate) mod routes;
pub(crate) mod service;
pub(crate) mod sources;

/// Characters in a name.
const MAX_NAME: usize = 200;
