//! Test support: a database per test, receivers, chaos, time.
