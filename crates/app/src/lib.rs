//! Collects the Okta System Log and hands it on; no event lost.
