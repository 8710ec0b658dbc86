//! Where the test data and programs outside the repository are.

use std::io::{Write, stderr};
use std::path::PathBuf;

/// Prints the line by which the gate counts tests skipped for lack of what a variable names.
pub fn tell_skipped(variable: &str) {
    // Not by a macro for printing: of tests that pass, what those print is not shown.
    let _unread = writeln!(stderr(), "skipped: {variable} is not set");
}

/// The program that a variable of the tests names.
///
/// Without it, prints the line by which the gate counts skipped tests; the caller then returns.
pub fn test_program(variable: &str) -> Option<PathBuf> {
    let program = std::env::var_os(variable).map(PathBuf::from);
    if program.is_none() {
        tell_skipped(variable);
    }
    program
}

/// Returns the folder that `COLLECTOR_TEST_DATA` names.
///
/// Without it, prints the line by which the gate counts skipped tests; the caller then returns.
#[expect(
    clippy::disallowed_methods,
    reason = "the collector's configuration is not for tests"
)]
pub fn test_data() -> Option<PathBuf> {
    let Ok(folder) = std::env::var("COLLECTOR_TEST_DATA") else {
        tell_skipped("COLLECTOR_TEST_DATA");
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(
        folder.is_dir(),
        "COLLECTOR_TEST_DATA names no folder: {}",
        folder.display()
    );
    Some(folder)
}

/// The number that a variable of the tests holds, if it is set.
///
/// # Panics
/// If it is set to something else.
#[expect(
    clippy::disallowed_methods,
    reason = "the collector's configuration is not for tests"
)]
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}
