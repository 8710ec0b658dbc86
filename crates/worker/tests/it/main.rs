//! The worker, proven on a real database and against the simulated org over real TCP.
//!
//! Jobs are parked and stepped: made due once, run once by a real worker, looked at when they rest.
//! Time moves by the tests. No test depends on how fast the machine is.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod away;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod care;
#[cfg(test)]
mod days;
#[cfg(test)]
mod fault_table;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod house;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod mortal;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod tail;
#[cfg(test)]
mod verify;
