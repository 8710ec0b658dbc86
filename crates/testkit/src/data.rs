//! Where the test data outside the repository is.

use std::path::PathBuf;

/// Returns the folder that `COLLECTOR_TEST_DATA` names.
///
/// Without it, prints the line by which the gate counts skipped tests; the caller then returns.
#[expect(
    clippy::disallowed_methods,
    reason = "the collector's configuration is not for tests"
)]
pub fn test_data() -> Option<PathBuf> {
    let Ok(folder) = std::env::var("COLLECTOR_TEST_DATA") else {
        eprintln!("skipped: COLLECTOR_TEST_DATA is not set");
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
