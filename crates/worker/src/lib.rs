//! Leases due jobs and runs them.
