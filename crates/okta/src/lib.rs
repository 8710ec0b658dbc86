//! Okta System Log client.
