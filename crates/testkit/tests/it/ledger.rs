//! Published against delivered.

use std::path::Path;

use tempfile::NamedTempFile;
use testkit::ledger::{Comparison, compare};

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), text).expect("a file can be written");
    file
}

fn against(published: &[&str], output: &str) -> Comparison {
    compare(published, file(output).path())
}

#[test]
fn the_same_lines_in_the_same_order_are_perfect() {
    let result = against(&["a", "b", "c"], "a\nb\nc\n");
    assert!(result.is_perfect());
    assert_eq!(result.to_string(), "published 3 delivered 3");
    assert!(against(&[], "").is_perfect());
}

#[test]
fn an_event_published_twice_is_expected_once() {
    assert!(against(&["a", "b", "a"], "a\nb\n").is_perfect());
    assert_eq!(against(&["a", "b", "a"], "a\nb\na\n").doubled, [0]);
}

#[test]
fn a_missing_event_is_lost() {
    let result = against(&["a", "b", "c"], "a\nc\n");
    assert_eq!(result.lost, [1]);
    assert!(!result.is_complete());
    assert_eq!(
        result.to_string(),
        "published 3 delivered 2, lost 1 (first 1)"
    );
}

#[test]
fn an_event_that_comes_again_is_doubled_but_complete() {
    let result = against(&["a", "b"], "a\nb\na\nb\nb\n");
    assert_eq!(result.doubled, [0, 1, 1]);
    assert!(result.is_complete() && !result.is_perfect());
}

#[test]
fn an_event_after_a_later_one_is_out_of_order() {
    assert_eq!(against(&["a", "b", "c"], "b\na\nc\n").out_of_order, [0]);
}

#[test]
fn one_changed_byte_is_one_altered_line_and_one_lost_event() {
    let result = against(&["{\"n\": 1}", "{\"n\": 2}"], "{\"n\": 1}\n{\"n\":2}\n");
    assert_eq!(
        (result.altered.as_slice(), result.lost.as_slice()),
        (&[1][..], &[1][..])
    );
    assert_eq!(against(&["a"], "a\r\n").altered, [0]);
    assert_eq!(against(&["a", "b"], "a\n\nb\n").altered, [1]);
}

#[test]
fn a_last_line_without_its_end_is_torn() {
    let result = against(&["a", "b"], "a\nb");
    assert!(result.torn && !result.is_complete());
}

#[test]
fn events_need_not_be_text() {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"\xff\xfe\0\n").unwrap();
    assert!(compare(&[b"\xff\xfe\0"], file.path()).is_perfect());
}

#[test]
#[should_panic(expected = "the output can be opened")]
fn a_missing_file_is_no_empty_file() {
    compare::<&str>(&[], Path::new("/nonexistent/output.ndjson"));
}
