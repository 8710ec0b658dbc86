//! The walls of the house: who may depend on whom, and what may be done where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What each crate may depend on; a crate that is not here has no place in the house.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("egress", &["model"]),
    ("okta", &["model", "egress"]),
    ("forward", &["model", "egress"]),
    ("store", &["model"]),
    ("api", &["model", "okta", "forward", "store"]),
    ("worker", &["model", "okta", "forward", "store"]),
    ("okta-sim", &[]),
    ("receiver", &[]),
    ("local-postgres", &[]),
    (
        "testkit",
        &["okta-sim", "receiver", "local-postgres", "model"],
    ),
    (
        "okta-collector",
        &[
            "model",
            "okta",
            "forward",
            "store",
            "api",
            "worker",
            "okta-sim",
            "receiver",
            "local-postgres",
        ],
    ),
    (
        "bench",
        &[
            "model",
            "okta",
            "forward",
            "store",
            "api",
            "worker",
            "okta-sim",
            "receiver",
            "local-postgres",
            "testkit",
            "okta-collector",
        ],
    ),
];

/// What tests may use besides.
const FOR_TESTS: [&str; 4] = ["testkit", "okta-sim", "receiver", "local-postgres"];

fn workspace() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

/// The dependencies of each of our crates, by name; ours only, or everybody's.
fn uses(metadata: &Metadata, kinds: &[DependencyKind]) -> BTreeMap<String, BTreeSet<String>> {
    let of = |package: &cargo_metadata::Package| {
        let wanted = package
            .dependencies
            .iter()
            .filter(|it| kinds.contains(&it.kind));
        (
            package.name.to_string(),
            wanted.map(|it| it.name.clone()).collect(),
        )
    };
    metadata.packages.iter().map(of).collect()
}

fn ours(metadata: &Metadata) -> BTreeSet<String> {
    metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect()
}

#[test]
fn crates_depend_on_what_the_design_allows_only() {
    let metadata = workspace();
    let ours = ours(&metadata);
    let table: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    assert_eq!(ours, table.keys().map(ToString::to_string).collect());

    let normal = uses(&metadata, &[DependencyKind::Normal, DependencyKind::Build]);
    let dev = uses(&metadata, &[DependencyKind::Development]);
    for (name, allowed) in &table {
        for used in normal[*name].intersection(&ours) {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} must not depend on {used}"
            );
        }
        for used in dev[*name].intersection(&ours) {
            let fits = allowed.contains(&used.as_str()) || FOR_TESTS.contains(&used.as_str());
            assert!(fits, "the tests of {name} must not depend on {used}");
        }
    }
}

#[test]
fn no_circles_also_not_through_tests() {
    let metadata = workspace();
    let ours = ours(&metadata);
    let all = [
        DependencyKind::Normal,
        DependencyKind::Build,
        DependencyKind::Development,
    ];
    let mut left = uses(&metadata, &all);
    for used in left.values_mut() {
        used.retain(|name| ours.contains(name));
    }
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|(_, used)| used.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        assert!(
            !free.is_empty(),
            "these crates depend on each other in a circle: {:?}",
            left.keys()
        );
        for name in free {
            left.remove(&name);
            for used in left.values_mut() {
                used.remove(&name);
            }
        }
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for package in workspace().packages {
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path)
            .unwrap()
            .parse()
            .unwrap();
        let inherits = manifest["lints"]["workspace"].as_bool();
        assert_eq!(
            inherits,
            Some(true),
            "{} has lints of its own",
            package.name
        );
    }
}

#[test]
fn only_the_store_knows_diesel_and_sql() {
    let metadata = workspace();
    let drivers = ["diesel", "diesel-async", "tokio-postgres"];
    // The test kit makes databases, the cluster is asked whether it answers.
    let exempt = ["store", "testkit", "local-postgres", "bench"];
    for (name, used) in uses(&metadata, &[DependencyKind::Normal]) {
        if !exempt.contains(&name.as_str()) {
            let driver = drivers.iter().find(|driver| used.contains(**driver));
            assert!(
                driver.is_none(),
                "{name} must not talk to the database itself: {driver:?}"
            );
        }
    }
    let words = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "sql_query"];
    let allowed = [
        "crates/store/",
        "crates/testkit/",
        "crates/local-postgres/",
        "crates/bench/",
    ];
    refuse(&words, &allowed, "SQL belongs into store");
}

#[test]
fn http_error_codes_are_given_in_one_file() {
    let words = [
        "StatusCode::BAD",
        "StatusCode::UN",
        "StatusCode::FORB",
        "StatusCode::NOT_",
        "StatusCode::CONFLICT",
        "StatusCode::INTERNAL",
        "StatusCode::SERVICE",
        "StatusCode::from_u16",
        "HttpResponse::BadRequest",
        "HttpResponse::Unauthorized",
        "HttpResponse::Forbidden",
        "HttpResponse::NotFound",
        "HttpResponse::Conflict",
        "HttpResponse::Unprocessable",
        "HttpResponse::InternalServerError",
        "HttpResponse::ServiceUnavailable",
        "HttpResponse::build",
        "HttpResponseBuilder",
    ];
    // The client and the simulators speak of other people's codes, not of ours.
    let allowed = [
        "crates/api/src/problem.rs",
        "crates/okta/",
        "crates/okta-sim/",
        "crates/receiver/",
    ];
    refuse(
        &words,
        &allowed,
        "HTTP error codes belong into api/src/problem.rs",
    );
}

#[test]
fn the_environment_is_read_in_one_folder() {
    // PATH, to find the PostgreSQL programs, is not a setting of ours.
    let allowed = [
        "crates/app/src/config/",
        "crates/testkit/",
        "crates/local-postgres/src/programs.rs",
    ];
    refuse(
        &["env::var"],
        &allowed,
        "the environment is read in app/src/config",
    );
}

/// Fails if one of the words stands in a source file (not a test) outside the allowed places.
fn refuse(words: &[&str], allowed: &[&str], rule: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let mut files = Vec::new();
    for folder in std::fs::read_dir(root.join("crates")).unwrap() {
        rust_files(&folder.unwrap().path().join("src"), &mut files);
    }
    assert!(files.len() > 100, "the sources have been found");
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        if name.ends_with("tests.rs") || allowed.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let word = words.iter().find(|word| line.contains(**word));
            assert!(
                word.is_none(),
                "{name}:{}: {rule}: {}",
                number + 1,
                line.trim()
            );
        }
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}
