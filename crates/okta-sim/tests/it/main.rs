//! The simulator as its clients see it: over TCP, one file per subject.

#[cfg(test)]
mod auth;
#[cfg(test)]
mod bounded;
#[cfg(test)]
mod control;
#[cfg(test)]
mod dpop;
#[cfg(test)]
mod events;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod generator;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod links;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod polling;
#[cfg(test)]
mod record;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod server;
#[cfg(test)]
mod service;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod support;
#[cfg(test)]
mod wellknown;
