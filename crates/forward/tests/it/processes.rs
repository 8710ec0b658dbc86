//! Several writers of one file, writers that are killed, and disks that are full.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use forward::{Progress, Report, Then};
use model::status::Trouble;

use crate::support::{Root, split_lines, tag, tagged, whole_batches};
use crate::writer::{Writer, this_program};

/// Events in a batch of these tests: several system calls, so that batches could mix.
const EVENTS: usize = 3000;
const FILLING: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_two_tasks_never_mix() {
    let root = Root::new();
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let file = root.file("out");
            tokio::spawn(async move {
                for number in 0..20 {
                    let report = file
                        .deliver(
                            &tagged(writer, number, EVENTS, FILLING),
                            &Progress::default(),
                        )
                        .await;
                    assert_eq!(report, Report::all(EVENTS));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }

    assert_each_batch_once_in_order(&root, 20);
}

#[test]
fn batches_of_two_processes_never_mix() {
    let root = Root::new();
    let writers = [0, 1].map(|writer| Writer::start(&(root.path(""), writer, 20, EVENTS, FILLING)));
    for writer in writers {
        assert_eq!(writer.finish(), vec!["3000 Continue"; 20]);
    }

    assert_each_batch_once_in_order(&root, 20);
}

fn assert_each_batch_once_in_order(root: &Root, batches: usize) {
    let written = whole_batches(&root.read("out"), EVENTS, FILLING);
    assert_eq!(written.len(), 2 * batches);
    for writer in [0, 1] {
        let numbers = written
            .iter()
            .filter(|tag| tag.0 == writer)
            .map(|tag| tag.1);
        assert!(numbers.eq(0..batches), "writer {writer}");
    }
}

#[tokio::test]
async fn a_writer_killed_in_mid_append_leaves_whole_lines_and_a_torn_one_that_is_cut() {
    // Long lines and many of them, so that the kill comes in time and may cut one.
    let (count, filling) = (100, 100_000);
    let (mut kills, mut hits) = (0, 0);
    // Every kill must leave a good file; some come too late to be of interest.
    while hits < 3 {
        assert!(
            kills < 30,
            "only {hits} of {kills} writers were killed in mid-append"
        );
        let settled = kills % 3;
        let root = Root::new();
        let mut writer = Writer::start(&(root.path(""), 1, 1000, count, filling));
        let reports: Vec<_> = (0..settled).map_while(|_| writer.report()).collect();
        assert_eq!(reports, vec!["100 Continue"; settled]);
        wait_until_in_a_batch(&root.path("out"), count, filling);
        writer.kill();

        let after = root
            .file("out")
            .deliver(&tagged(2, 0, count, filling), &Progress::default())
            .await;

        assert_eq!(after, Report::all(count));
        let content = root.read("out");
        let (lines, torn) = split_lines(&content);
        assert!(torn.is_empty());
        let (killed, after) = lines.split_at(lines.len() - count);
        assert!(killed.len() >= settled * count);
        for (at, line) in killed.iter().enumerate() {
            assert_eq!(tag(line, filling), (1, at / count, at % count));
        }
        for (at, line) in after.iter().enumerate() {
            assert_eq!(tag(line, filling), (2, 0, at));
        }
        kills += 1;
        hits += usize::from(killed.len() % count != 0);
    }
}

/// Waits until the file has more than some number of whole batches of `tagged`.
fn wait_until_in_a_batch(path: &Path, count: usize, filling: usize) {
    let batch = tagged(1, 0, count, filling).events.total_bytes() + count;
    let deadline = Instant::now() + Duration::from_secs(30);
    let length = || path.metadata().map_or(0, |metadata| metadata.len());
    while length().is_multiple_of(batch as u64) {
        assert!(Instant::now() < deadline, "no batch was ever begun");
        std::thread::yield_now();
    }
}

#[test]
fn a_batch_that_hits_the_size_limit_in_its_middle_is_taken_back() {
    let root = Root::new();
    let mut shell = Command::new("sh");
    // In blocks of 512 or 1024 bytes: room for one batch of 669 kB, or for two and a half.
    let script = "trap '' XFSZ; ulimit -f 1600; exec \"$0\" \"$@\"";
    shell.args(["-c", script]).arg(this_program());

    let reports = Writer::start_by(&mut shell, &(root.path(""), 1, 4, EVENTS, FILLING)).finish();

    let written = whole_batches(&root.read("out"), EVENTS, FILLING).len();
    assert!((1..=2).contains(&written), "{written} batches");
    for (number, report) in reports.iter().enumerate() {
        let settled = report == "3000 Continue";
        assert_eq!(settled, number < written, "{report}");
        assert!(settled || report.contains("File too large"), "{report}");
    }
}

#[test]
fn a_full_disk_takes_the_batch_back_and_is_tried_again() {
    let root = Root::new();
    let disk = root.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut shell = Command::new("unshare");
    // A small disk in a mount namespace of its own: both are gone with the process.
    let script = "mount -t tmpfs -o size=1600k none \"$0\" && \"$@\" && cp \"$0/out\" \"$0/..\"";
    shell.args(["-rm", "sh", "-c", script]).arg(&disk);
    shell.arg(this_program());
    let reports = Writer::start_by(&mut shell, &(disk, 1, 4, EVENTS, FILLING)).finish();
    if reports.is_empty() {
        eprintln!("skipped: no right to mount a small disk");
        return;
    }

    let full = Then::Retry {
        after: None,
        trouble: Trouble::DestinationUnavailable,
        detail: "cannot append to \"out\": No space left on device (os error 28)".to_owned(),
    };
    let full = format!("0 {full:?}");
    assert_eq!(reports, ["3000 Continue", "3000 Continue", &full, &full]);
    let written = whole_batches(&root.read("out"), EVENTS, FILLING);
    assert_eq!(written, [(1, 0), (1, 1)]);
}
