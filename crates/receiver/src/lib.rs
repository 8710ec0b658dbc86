//! The far end of deliveries, over real TCP: what Rapid7 InsightOps and a generic webhook are for a sender.
//!
//! Strict where the real ones are: an InsightOps entry is one line of at most 32,767 bytes, whatever the
//! answer says. It adds what tests need and no real receiver offers: a ledger of what arrived
//! ([`Inbox::compare`]), a hook per event for latencies ([`ReceiverConfig::on_event`]) and faults on
//! request ([`Fault`]).
//!
//! Everything lives in memory, about 30 bytes a distinct event unless [`Keep::Bytes`] is asked for; a
//! receiver that ends keeps its [`Inbox`], which can be served again.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use receiver::{Fault, Receiver, ReceiverConfig};
//!
//! let receiver = Receiver::start(ReceiverConfig::default()).await?;
//! receiver.inbox().inject(Fault::status(503).times(3));
//! println!("post to {}/v1/noformat/<a log token>", receiver.url());
//! # Ok(()) }
//! ```

mod config;
mod counts;
mod faults;
mod inbox;
mod insightops;
mod ledger;
mod query;
mod respond;
mod scan;
mod server;
mod webhook;

pub use config::{Keep, OnEvent, ReadBack, ReceiverConfig};
pub use counts::{Counts, InsightOpsCounts, WebhookCounts};
pub use faults::{Fault, Injection, When};
pub use inbox::Inbox;
pub use insightops::{LONGEST_ENTRY, TOO_LARGE};
pub use ledger::Comparison;
pub use server::{Receiver, ReceiverError};
