//! Where files may be, and what is said when they may not.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use forward::{Destinations as _, OpenError, Progress, Reach, Registry, Report, Settings};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::support::{Root, batch, file, stopped};

fn registry(file_root: Option<&str>) -> Registry {
    let reach = Reach {
        file_root: file_root.map(Into::into),
        ..Reach::default()
    };
    Registry::new(reach).unwrap()
}

fn named(name: &str) -> Settings {
    Settings::stored(&json!({ "path": name }), None)
}

#[test]
fn names_outside_the_root_are_refused_with_a_pointer() {
    let registry = registry(Some("root"));
    for name in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "."] {
        let opened = registry.open("file", &named(name)).unwrap_err();
        let OpenError::Settings(errors) = &opened else {
            panic!("{opened:?}");
        };
        assert_eq!(errors.len(), 1, "{name}");
        assert_eq!(errors[0].pointer, "/path", "{name}");
        assert_eq!(errors[0].code, "invalid_path", "{name}");
        let checked = registry.check("file", &named(name)).unwrap_err();
        assert_eq!(checked, opened, "{name}");
    }
}

#[test]
fn good_settings_are_given_back() {
    let checked = registry(Some("root")).check("file", &named("okta/acme.ndjson"));
    let checked = checked.unwrap();
    assert_eq!(checked.config, json!({ "path": "okta/acme.ndjson" }));
    assert!(checked.secrets.is_none() && checked.target.is_none());
}

#[test]
fn without_a_root_nothing_is_opened_or_accepted() {
    let registry = registry(None);
    let message = "file destinations are switched off; set COLLECTOR_FILE_ROOT";
    let checked = registry.check("file", &named("out")).unwrap_err();
    assert_eq!(checked.to_string(), message);
    let opened = registry.open("file", &named("out")).unwrap_err();
    assert_eq!(opened.to_string(), message);
}

#[tokio::test]
async fn a_missing_root_stops_and_is_not_made() {
    let root = Root::new();
    let detail = stopped(
        file(root.path("gone"), "out")
            .deliver(&batch("x"), &Progress::default())
            .await,
    );
    assert_eq!(
        detail,
        "cannot open the file root (COLLECTOR_FILE_ROOT): No such file or directory (os error 2)"
    );
    assert!(!root.path("gone").exists());
}

#[tokio::test]
async fn the_root_itself_may_be_a_symbolic_link() {
    let root = Root::new();
    std::fs::create_dir(root.path("real")).unwrap();
    symlink("real", root.path("link")).unwrap();

    let report = file(root.path("link"), "out")
        .deliver(&batch("x"), &Progress::default())
        .await;

    assert_eq!(report, Report::all(1));
    assert_eq!(root.read("real/out"), b"x\n");
}

#[tokio::test]
async fn symbolic_links_are_not_followed_anywhere_in_a_name() {
    let (root, outside) = (Root::new(), Root::new());
    std::fs::create_dir(root.path("a")).unwrap();
    std::fs::write(outside.path("file"), "mine\n").unwrap();
    symlink(outside.path("file"), root.path("a/last")).unwrap();
    symlink(outside.path("new"), root.path("a/dangling")).unwrap();
    symlink(outside.path(""), root.path("a/middle")).unwrap();

    for (name, link) in [
        ("a/last", "a/last"),
        ("a/dangling", "a/dangling"),
        ("a/middle/file", "a/middle"),
        ("a/middle/deep/file", "a/middle"),
    ] {
        let detail = stopped(
            root.file(name)
                .deliver(&batch("x"), &Progress::default())
                .await,
        );
        let expected = format!("{link:?} is a symbolic link; those are not followed");
        assert_eq!(detail, expected, "{name}");
    }

    assert_eq!(outside.read("file"), b"mine\n");
    assert_eq!(std::fs::read_dir(outside.path("")).unwrap().count(), 1);
}

#[tokio::test]
async fn only_regular_files_are_written_to() {
    let root = Root::new();
    std::fs::create_dir(root.path("folder")).unwrap();
    mknodat(CWD, root.path("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = UnixListener::bind(root.path("socket")).unwrap();
    std::fs::write(root.path("file"), "").unwrap();

    for name in ["folder", "pipe", "socket"] {
        let detail = stopped(
            root.file(name)
                .deliver(&batch("x"), &Progress::default())
                .await,
        );
        assert_eq!(detail, format!("{name:?} is not a regular file"));
    }
    let detail = stopped(
        root.file("file/out")
            .deliver(&batch("x"), &Progress::default())
            .await,
    );
    assert_eq!(detail, "\"file\" is not a folder");
}

#[tokio::test]
async fn a_place_that_refuses_to_be_written_stops() {
    // No one may make files there, not even root.
    let detail = stopped(
        file("/sys/kernel".into(), "out")
            .deliver(&batch("x"), &Progress::default())
            .await,
    );
    assert!(detail.starts_with("cannot open \"out\": "), "{detail}");
}
