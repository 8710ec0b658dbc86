//! The API as its callers see it: over TCP, on a real database, one file per subject.

#[cfg(test)]
mod document;
