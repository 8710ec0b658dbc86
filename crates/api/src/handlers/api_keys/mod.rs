//! API keys: what they are for, never what they are.

pub(crate) mod list;
