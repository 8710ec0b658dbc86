//! A root folder of its own for each test, and batches to deliver into it.

use std::path::PathBuf;
use std::sync::Arc;

use forward::{
    Batch, Destination, Destinations as _, Events, Reach, Registry, Report, Settings, Then,
};
use model::status::Trouble;
use serde_json::json;
use tempfile::TempDir;

/// A file root that is removed at the end.
pub(crate) struct Root(TempDir);

impl Root {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str) -> Arc<dyn Destination> {
        file(self.0.path().to_owned(), name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

pub(crate) fn file(root: PathBuf, name: &str) -> Arc<dyn Destination> {
    let settings = Settings::stored(&json!({ "path": name }), None);
    let reach = Reach {
        file_root: Some(root),
        ..Reach::default()
    };
    let registry = Registry::new(reach).unwrap();
    registry.open("file", &settings).unwrap()
}

pub(crate) fn batch(lines: impl Into<Vec<u8>>) -> Batch {
    Batch {
        key: "a-key".to_owned(),
        events: Events::from_lines(lines.into()),
    }
}

/// Events that say whose they are, of which batch and where in it: `writer batch index` and a filling.
/// All batches of one count and filling are equally long.
pub(crate) fn tagged(writer: usize, number: usize, count: usize, filling: usize) -> Batch {
    let filling = "x".repeat(filling);
    let line = |index| format!("{writer} {number:09} {index:09} {filling}\n");
    batch((0..count).map(line).collect::<Vec<_>>().concat())
}

/// Asserts that the file holds nothing but whole batches of `tagged`; gives (writer, number) of each.
pub(crate) fn whole_batches(content: &[u8], count: usize, filling: usize) -> Vec<(usize, usize)> {
    let (lines, torn) = split_lines(content);
    assert!(torn.is_empty(), "a torn line of {} bytes", torn.len());
    assert_eq!(lines.len() % count, 0, "{} lines", lines.len());
    lines
        .chunks(count)
        .map(|lines| {
            let (writer, number, _) = tag(lines[0], filling);
            for (index, line) in lines.iter().enumerate() {
                assert_eq!(tag(line, filling), (writer, number, index));
            }
            (writer, number)
        })
        .collect()
}

/// The tag of a line of `tagged`, whose filling must be whole.
pub(crate) fn tag(line: &[u8], filling: usize) -> (usize, usize, usize) {
    let line = std::str::from_utf8(line).unwrap();
    let parts: Vec<_> = line.split(' ').collect();
    assert_eq!(parts.len(), 4, "{line:.40}");
    assert_eq!(parts[3].len(), filling);
    let number = |at: usize| parts[at].parse().unwrap();
    (number(0), number(1), number(2))
}

/// The whole lines, and what follows the last of them.
pub(crate) fn split_lines(content: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines: Vec<_> = content.split(|byte| *byte == b'\n').collect();
    let torn = lines.pop().unwrap_or_default();
    (lines, torn)
}

/// Asserts that nothing was settled and delivery stopped; gives the detail.
pub(crate) fn stopped(report: Report) -> String {
    assert_eq!(report.settled, 0);
    match report.then {
        Then::Stop { trouble, detail } => {
            assert_eq!(trouble, Trouble::DestinationRefuses);
            detail
        }
        other => panic!("not stopped: {other:?}"),
    }
}
