//! What is in the file after a delivery.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forward::{Batch, Events, Progress, Report, Then};

use crate::support::{Root, batch, tagged, whole_batches};

#[tokio::test]
async fn events_arrive_byte_for_byte_one_a_line() {
    let root = Root::new();
    let file = root.file("out.ndjson");
    let odd: &[u8] = b"{\"a\" : 1e400,\"a\":null}\n{\"b\":\"\xff\xfe\xed\xa0\x80\"}\n{\"c\":\"\xe2\x80\xa8\\n\\ud800\"}\n{\"cr\":\"\r\"}\n";

    assert_eq!(
        file.deliver(&batch(odd), &Progress::default()).await,
        Report::all(4)
    );
    assert_eq!(
        file.deliver(&batch(b"{}"), &Progress::default()).await,
        Report::all(1)
    );

    assert_eq!(root.read("out.ndjson"), [odd, b"{}\n"].concat());
}

#[tokio::test]
async fn a_slice_of_a_batch_delivers_only_its_events() {
    let root = Root::new();
    let whole = batch("a\nb\nc\nd\n");
    let slice = Batch {
        events: whole.events.slice(1..3),
        ..whole
    };

    assert_eq!(
        root.file("out").deliver(&slice, &Progress::default()).await,
        Report::all(2)
    );

    assert_eq!(root.read("out"), b"b\nc\n");
}

#[tokio::test]
async fn more_events_than_one_system_call_takes_arrive_in_order() {
    let root = Root::new();
    let file = root.file("out");

    for number in 0..3 {
        let report = file
            .deliver(&tagged(0, number, 10_000, 300), &Progress::default())
            .await;
        assert_eq!(report, Report::all(10_000));
    }

    let batches = whole_batches(&root.read("out"), 10_000, 300);
    assert_eq!(batches, [(0, 0), (0, 1), (0, 2)]);
}

#[tokio::test]
async fn folders_and_file_are_made_and_not_for_everyone() {
    let root = Root::new();

    root.file("a/b/out")
        .deliver(&batch("x"), &Progress::default())
        .await;

    let mode = |name| root.path(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(root.read("a/b/out"), b"x\n");
    assert_eq!(mode("a/b/out") & !0o640, 0);
    assert_eq!(mode("a") & !0o750, 0);
    assert_eq!(mode("a/b") & !0o750, 0);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_before_the_next_batch() {
    let root = Root::new();
    std::fs::write(root.path("out"), "{\"whole\":1}\n{\"torn\":").unwrap();

    let report = root
        .file("out")
        .deliver(&batch("{\"new\":1}"), &Progress::default())
        .await;

    assert_eq!(report, Report::all(1));
    assert_eq!(root.read("out"), b"{\"whole\":1}\n{\"new\":1}\n");
}

#[tokio::test]
async fn an_event_that_is_not_one_line_is_refused_and_the_others_go_on() {
    let root = Root::new();
    let buffer = Bytes::from_static(b"onetwo\ntoothree");
    let events = Events::new(buffer, [0..3, 3..10, 10..10, 10..15]).unwrap();
    let batch = Batch {
        key: String::new(),
        events,
    };

    let report = root.file("out").deliver(&batch, &Progress::default()).await;

    assert_eq!((report.settled, &report.then), (4, &Then::Continue));
    let refused: Vec<_> = report.refused.iter().map(|r| (r.index, r.cause)).collect();
    assert_eq!(refused, [(1, "not_one_line"), (2, "not_one_line")]);
    assert_eq!(root.read("out"), b"one\nthree\n");
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_made_again() {
    let root = Root::new();
    let file = root.file("out");
    file.deliver(&batch("a"), &Progress::default()).await;
    std::fs::rename(root.path("out"), root.path("old")).unwrap();

    assert_eq!(
        file.deliver(&batch("b"), &Progress::default()).await,
        Report::all(1)
    );

    assert_eq!(root.read("old"), b"a\n");
    assert_eq!(root.read("out"), b"b\n");
}

#[test]
fn a_delivery_given_up_while_it_waits_writes_nothing() {
    let root = Root::new();
    let file = root.file("out");
    let other = File::create(root.path("out")).unwrap();
    other.lock().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .unwrap();

    let given_up = runtime.block_on(async {
        tokio::time::timeout(
            Duration::from_millis(30),
            file.deliver(&batch("x"), &Progress::default()),
        )
        .await
    });
    drop(other);
    // Waits for the thread that may still be writing.
    drop(runtime);

    assert!(given_up.is_err());
    assert_eq!(root.read("out"), b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_removed_while_its_lock_is_waited_for_is_not_written_to() {
    let root = Root::new();
    let file = root.file("out");
    let other = File::create(root.path("out")).unwrap();
    other.lock().unwrap();
    let delivery =
        tokio::spawn(async move { file.deliver(&batch("x"), &Progress::default()).await });
    wait_until_open_twice(&root.path("out"));

    std::fs::remove_file(root.path("out")).unwrap();
    drop(other);

    let report = delivery.await.unwrap();
    assert!(matches!(report.then, Then::Retry { .. }), "{report:?}");
    assert_eq!(report.settled, 0);
}

/// Waits until this process has the file open a second time.
fn wait_until_open_twice(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let open = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter(|fd| std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|to| to == path))
            .count()
    };
    while open() < 2 {
        assert!(Instant::now() < deadline, "the file was never opened");
        std::thread::yield_now();
    }
}
