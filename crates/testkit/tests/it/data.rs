//! Where test data is.

use std::process::Command;

/// Runs this program's helper below with the variable set to something, or not at all.
fn helper(value: Option<&str>) -> (bool, String) {
    let mut command = Command::new(std::env::current_exe().expect("tests have a program"));
    command.args(["--exact", "data::look", "--ignored", "--nocapture"]);
    match value {
        Some(value) => command.env("COLLECTOR_TEST_DATA", value),
        None => command.env_remove("COLLECTOR_TEST_DATA"),
    };
    let output = command.output().expect("the program can run");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
#[ignore = "not a test: others start it in a process of its own"]
fn look() {
    eprintln!("found {:?}", testkit::data::test_data());
}

#[test]
fn without_the_variable_a_line_for_the_gate_is_printed() {
    let (passed, said) = helper(None);
    assert!(passed);
    assert!(
        said.contains("skipped: COLLECTOR_TEST_DATA is not set\n"),
        "{said}"
    );
    assert!(said.contains("found None"), "{said}");
}

#[test]
fn the_folder_that_the_variable_names_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (passed, said) = helper(folder.path().to_str());
    assert!(passed);
    assert!(
        said.contains(&format!("found Some({:?})", folder.path())),
        "{said}"
    );
}

#[test]
fn a_variable_that_names_nothing_is_a_mistake_not_a_skip() {
    let (passed, said) = helper(Some("/nonexistent/data"));
    assert!(!passed);
    assert!(
        said.contains("COLLECTOR_TEST_DATA names no folder: /nonexistent/data"),
        "{said}"
    );
}
