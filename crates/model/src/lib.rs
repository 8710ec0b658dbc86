//! Words and rules of the collector: identifiers, what a credential, source or job may say, when a
//! job runs again, how a status is told. Pure: no I/O, no clock, no chance; those are arguments.

pub mod budget;
pub mod credential;
pub mod cursor;
pub mod duration;
pub mod ids;
pub mod job;
pub mod net;
pub mod origin;
pub mod point;
pub mod range;
pub mod schedule;
pub mod source;
pub mod status;
pub mod trace;
