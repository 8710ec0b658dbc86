//! Rules that a compiler does not check: where SQL is, and where it takes time from.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files with this ending below a folder.
fn files(folder: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The places of raw time functions in a text.
fn raw_time(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut found = Vec::new();
    for word in [
        "now(",
        "clock_timestamp",
        "statement_timestamp",
        "transaction_timestamp",
        "timeofday",
        "current_timestamp",
        "current_date",
        "current_time",
        "localtime",
    ] {
        for (at, _) in text.match_indices(word) {
            let (above, _) = text.split_at(at);
            let before = above.chars().next_back();
            // `collector_now(`, `instant::now(` and the like are other functions.
            if !before.is_some_and(|c| c.is_alphanumeric() || "_:".contains(c)) {
                let line = above.lines().count();
                found.push(format!("line {line}: {word}"));
            }
        }
    }
    found
}

#[test]
fn sql_takes_time_from_the_two_functions_only() {
    let mut sources = files(&root().join("migrations"), ".sql");
    sources.extend(files(&root().join("crates/store/src"), ".rs"));
    assert!(sources.len() > 30);
    for (path, text) in sources {
        let found = raw_time(&text);
        let expected = if path.ends_with("2026-11-22-000001_time/up.sql") {
            2
        } else {
            0
        };
        assert_eq!(found.len(), expected, "{}: {found:?}", path.display());
    }
    assert_eq!(raw_time("SELECT now()").len(), 1);
    assert_eq!(
        raw_time("set x = CURRENT_DATE, y = localtimestamp").len(),
        2
    );
    assert_eq!(raw_time("collector_now() Instant::now()"), [""; 0]);
}

#[test]
fn only_the_store_speaks_sql() {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    for folder in crates.map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        // The test kit makes databases, and the cluster's keeper starts servers.
        if ["store", "testkit", "local-postgres"].contains(&name) {
            continue;
        }
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for dependency in manifest
            .lines()
            .take_while(|line| *line != "[dev-dependencies]")
        {
            let is_database = ["diesel", "tokio-postgres", "sqlx"]
                .iter()
                .any(|it| dependency.starts_with(it));
            assert!(!is_database, "{name}: {dependency}");
        }
        for (path, text) in files(&folder.join("src"), ".rs") {
            if path.ends_with("tests.rs") {
                continue;
            }
            for word in ["diesel::", "sql_query", "tokio_postgres::"] {
                assert!(!text.contains(word), "{}: {word}", path.display());
            }
        }
    }
}
