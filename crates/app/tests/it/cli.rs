//! What a stranger meets first: help, settings, and the commands that need no database.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::program::{program, run};

const COMMANDS: [&str; 14] = [
    "demo",
    "serve",
    "api",
    "worker",
    "init",
    "migrate",
    "keys",
    "sealing",
    "register",
    "healthcheck",
    "check-config",
    "openapi",
    "sim",
    "receive",
];

#[test]
fn help_names_every_command_and_gives_examples() {
    let said = run(&mut program(&["--help"]));
    assert_eq!(said.code, Some(0));
    for command in COMMANDS {
        let line = format!("\n  {command} ");
        assert!(
            said.out.contains(&line),
            "{command} is missing in:\n{}",
            said.out
        );
        let help = run(&mut program(&[command, "--help"]));
        assert_eq!(help.code, Some(0), "{command}: {}", help.err);
    }
    assert!(
        said.out
            .contains("okta-collector keys create --tenant acme"),
        "{}",
        said.out
    );
}

#[test]
fn bad_settings_are_all_told_at_once() {
    let said = run(program(&["serve"])
        .env("COLLECTOR_LEASE", "soon")
        .env("COLLECTOR_API_LISTN", "127.0.0.1:1")
        .env("COLLECTOR_POLL_SLOTS", "0"));
    assert_eq!(said.code, Some(2));
    for part in [
        "there are 5 problems with the settings",
        "COLLECTOR_LEASE (from the environment): \"soon\" is not a duration",
        "did you mean COLLECTOR_API_LISTEN?",
        "COLLECTOR_POLL_SLOTS",
        "COLLECTOR_DATABASE_URL: this command needs it",
        "COLLECTOR_SEALING_KEYS: this command needs it",
    ] {
        assert!(
            said.err.contains(part),
            "{part:?} is missing in:\n{}",
            said.err
        );
    }
}

#[test]
fn check_config_shows_values_and_their_places_but_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let key = run(&mut program(&["sealing", "keygen"])).out;
    let file = folder.path().join("collector.toml");
    std::fs::write(&file, "[worker]\nlease = \"30s\"\n").unwrap();
    std::fs::write(folder.path().join("keys"), &key).unwrap();
    let said = run(program(&["check-config"])
        .env("COLLECTOR_CONFIG", &file)
        .env("COLLECTOR_SEALING_KEYS_FILE", folder.path().join("keys"))
        .env(
            "COLLECTOR_DATABASE_URL",
            "postgres://me:hunter2@db/collector",
        ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lease = format!("COLLECTOR_LEASE = 30s  [from {}]", file.display());
    assert!(said.out.contains(&lease), "{}", said.out);
    assert!(
        said.out.contains("COLLECTOR_DRAIN = 20s  [default]"),
        "{}",
        said.out
    );
    assert!(
        !said.out.contains("hunter2") && !said.out.contains(key.trim()),
        "{}",
        said.out
    );
}

#[test]
fn keygen_prints_one_line_that_is_a_key() {
    let said = run(&mut program(&["sealing", "keygen"]));
    let line = said.out.strip_suffix('\n').unwrap();
    let ring = store::sealing::KeyRing::parse(line).unwrap();
    assert!(line.starts_with(&format!("{}:", ring.active())), "{line}");
    assert!(!line.contains('\n'));
    assert_ne!(run(&mut program(&["sealing", "keygen"])).out, said.out);
}

#[test]
fn printed_events_are_the_same_for_the_same_seed() {
    let print = |seed: &str| run(&mut program(&["sim", "--print", "1000", "--seed", seed])).out;
    let events = print("7");
    assert_eq!(events.lines().count(), 1000);
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            event["uuid"].is_string() && event["published"].is_string(),
            "{line}"
        );
    }
    assert_eq!(print("7"), events);
    assert_ne!(print("8"), events);
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_printing_quietly() {
    let mut command = program(&["sim", "--print", "1000000000"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );
}

#[test]
fn the_printed_document_is_json_of_the_api() {
    let said = run(&mut program(&["openapi"]));
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(document["paths"]["/v1/sources"]["post"].is_object());
    assert_eq!(document["openapi"], "3.1.0");
    let said = run(&mut program(&["openapi", "--v3.0"]));
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(document["paths"]["/v1/sources"]["post"].is_object());
    assert_eq!(document["openapi"], "3.0.3");
}

#[test]
fn a_healthcheck_with_nobody_there_fails_in_one_line() {
    let said = run(&mut program(&["healthcheck", "http://127.0.0.1:1/readyz"]));
    assert_eq!(said.code, Some(1));
    assert_eq!(
        said.out,
        "not running: http://127.0.0.1:1/readyz: nobody listens there\n"
    );
}

#[test]
fn a_simulator_says_where_it_listens_and_what_is_wrong_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    std::fs::write(&file, "{}\n{}\n{]\n").unwrap();
    let args = [
        "sim",
        "--listen",
        "127.0.0.1:0",
        "--token",
        "t",
        "--events",
        file.to_str().unwrap(),
    ];
    let said = run(&mut program(&args));
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("line 3 is not one JSON object"),
        "{}",
        said.err
    );
}
