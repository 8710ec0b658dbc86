//! Durable state in PostgreSQL: the only crate that knows Diesel and SQL.
//!
//! One file per table (or per transaction that spans several), each adding methods to [`Store`].
//! Time comes from `collector_now()` and `collector_clock()`. No method keeps a transaction open
//! over anything but database work; a method that is dropped half-way loses its connection and
//! PostgreSQL rolls back.

mod api_keys;
mod backfill_page;
mod backfills;
mod batch_ids;
mod batches;
mod budgets;
mod closed_logs;
mod credential_checks;
mod credential_secret;
mod credentials;
mod dead_letters;
mod deliver_context;
mod destinations;
mod error;
mod gauges;
mod intake;
mod jobs;
mod leases;
mod ledger;
mod logs;
mod migrate;
mod notify;
mod page;
mod pool;
mod pool_metrics;
mod positions;
mod quarantined_pages;
mod retention;
mod rotations;
mod routes;
mod schema;
mod sealed_rows;
pub mod sealing;
mod sources;
mod sql;
mod status;
mod tenants;
mod tx;
mod verifications;
mod verify_page;
mod workers;

pub use api_keys::{ApiKey, NewApiKey};
pub use backfill_page::{BackfillContext, BackfillPage};
pub use backfills::{Backfill, NewBackfill};
pub use batches::{Batch, BatchHead};
pub use budgets::{BudgetKey, Draw};
pub use credential_checks::Ageing;
pub use credential_secret::CredentialSecret;
pub use credentials::{Credential, CredentialChange, NewCredential};
pub use dead_letters::{DeadEvent, DeadKind, DeadLetter};
pub use deliver_context::{DeliverContext, SourceFacts};
pub use destinations::{
    Destination, DestinationChange, DestinationSecrets, DestinationSettings, NewDestination,
};
pub use error::{Conflict, Resource, StoreError};
pub use gauges::{BudgetGauge, ExpiryGauge, Gauges, JobGauge, RouteGauge, SourceGauge, StateGauge};
pub use jobs::JobView;
pub use leases::{ClaimLane, Claimed, Completion, LaneRow};
pub use ledger::LedgerHour;
pub use logs::{Log, PollContext};
pub use migrate::Migrated;
pub use notify::Listener;
pub use page::{Appended, EventId, NewPage};
pub use pool::{Store, StoreConfig};
pub use positions::{Flight, Position, Settled};
pub use quarantined_pages::{NewQuarantine, QuarantinedPage};
pub use retention::{Dropped, RetentionConfig};
pub use rotations::Rotation;
pub use routes::{NewRoute, Route, RouteChange};
pub use sources::{CredentialChoice, NewSource, Source, SourceChange};
pub use status::{PollingStatus, RouteStatus, SourceStatus};
pub use verifications::{Differs, Unverified, Verification};
pub use verify_page::{Verified, VerifyPage};
