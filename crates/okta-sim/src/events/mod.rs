//! Events as they are taken in and kept: bytes, unaltered.

mod ingest;
mod log;
mod scan;

pub use ingest::{Events, EventsError};
pub use log::Shown;
pub use scan::ScanError;

pub(crate) use ingest::EventsBuilder;
pub(crate) use log::EventLog;
