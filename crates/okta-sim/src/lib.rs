//! A faithful simulated Okta org.
