//! Past ranges, read by bounded requests: `backfill` and `verify`.
//!
//! Both read one page at a time, strictly by `published`, and store what is not there yet; what both
//! need of Okta is in [`reader`]. A crash repeats at most a page.

mod backfill;
mod reader;
mod verify;

pub(crate) use backfill::run as backfill;
pub(crate) use verify::run as verify;
