//! Moves time, for the database and the simulator together.
//!
//! The collector takes time from the SQL functions `collector_now()` and `collector_clock()` only.
//! Here they are replaced by versions that add what a table says. The new `collector_now()` is not
//! inlined, but still stable, so the planner goes on using indexes for `due <= collector_now()`.

use std::time::Duration;

use okta_sim::SimClock;

use crate::postgres::connect;

const INSTALL: &str = "
    CREATE TABLE IF NOT EXISTS test_clock (shift interval NOT NULL);
    INSERT INTO test_clock SELECT '0' WHERE NOT EXISTS (SELECT FROM test_clock);
    CREATE OR REPLACE FUNCTION collector_now() RETURNS timestamptz
        LANGUAGE sql STABLE PARALLEL SAFE
        AS 'SELECT now() + (SELECT shift FROM public.test_clock)';
    CREATE OR REPLACE FUNCTION collector_clock() RETURNS timestamptz
        LANGUAGE sql VOLATILE PARALLEL SAFE
        AS 'SELECT clock_timestamp() + (SELECT shift FROM public.test_clock)';";

/// The clock of one test: its database, and its simulator if it has one.
#[derive(Debug)]
pub struct Time {
    url: String,
    simulator: Option<SimClock>,
}

impl Time {
    /// Replaces the clock of a database. Sessions that are already open follow too.
    pub async fn install(database_url: &str, simulator: Option<SimClock>) -> Self {
        let installed = connect(database_url).await.batch_execute(INSTALL).await;
        installed.expect("the functions of time can be replaced");
        Self {
            url: database_url.to_owned(),
            simulator,
        }
    }

    /// Moves all clocks forward by the same time, in whole milliseconds; they run on from there.
    ///
    /// The simulator goes first, so that what becomes due in the database by the move finds the
    /// simulator already there.
    pub async fn advance(&self, by: Duration) {
        let by = Duration::from_millis(u64::try_from(by.as_millis()).expect("a sane time"));
        if let Some(simulator) = &self.simulator {
            simulator.advance(by);
        }
        // Seconds, not days: a day is as long as the session's time zone says.
        let advance = "UPDATE test_clock SET shift = shift + make_interval(secs => $1)";
        let moved = connect(&self.url)
            .await
            .execute(advance, &[&by.as_secs_f64()])
            .await;
        assert_eq!(
            moved.expect("the clock can be moved"),
            1,
            "the test clock has one row"
        );
    }
}
