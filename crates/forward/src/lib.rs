//! Where events go and in what form: the [`Destination`] trait, one file per kind of destination, and
//! the formats a route may ask for.
//!
//! A destination is given a batch and answers with a [`Report`]: how far a contiguous prefix is settled,
//! which events it refused for good, and what to do next. It remembers nothing between batches; who
//! delivers keeps the position. After a crash the same batch comes again, with the same key.

mod destination;
mod each;
mod events;
mod file;
pub mod formats;
mod http;
mod insightops;
mod registry;
mod settings;
mod webhook;

pub use destination::{
    Batch, Check, Destination, Limits, Progress, Proof, Refusal, Report, Shrunk, Then, Verdict,
};
pub use events::Events;
pub use file::FileDestination;
pub use formats::{Facts, Format, Rendering, Stamp};
pub use insightops::InsightOpsDestination;
pub use registry::{Destinations, OpenError, Reach, Registry, SetupError};
pub use settings::{Checked, FieldError, Settings};
pub use webhook::WebhookDestination;
