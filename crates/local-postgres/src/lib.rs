//! Finds PostgreSQL programs, runs a private cluster and stops it.
