//! Durable state in PostgreSQL; the only crate that knows SQL.
