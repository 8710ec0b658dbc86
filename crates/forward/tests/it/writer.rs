//! A process of its own that delivers batches into a file.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use forward::Progress;

use crate::support::{file, tagged};

/// Root, writer, number of batches, events in each, filling of each event; the file is `out`.
pub(crate) type Task = (PathBuf, usize, usize, usize, usize);

/// The process itself: this program again, told its task on stdin; one report a line on stdout.
#[tokio::test]
#[ignore = "run by other tests as a process of its own"]
async fn child() {
    let mut task = String::new();
    std::io::stdin().read_line(&mut task).unwrap();
    let Ok((root, writer, batches, count, filling)) = serde_json::from_str::<Task>(&task) else {
        return;
    };
    let file = file(root, "out");
    for number in 0..batches {
        let report = file
            .deliver(
                &tagged(writer, number, count, filling),
                &Progress::default(),
            )
            .await;
        println!("\nreport: {} {:?}", report.settled, report.then);
    }
}

/// A running process.
pub(crate) struct Writer {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    pub(crate) fn start(task: &Task) -> Self {
        Self::start_by(&mut Command::new(this_program()), task)
    }

    /// The process as run by another program, which gets its arguments after its own.
    pub(crate) fn start_by(command: &mut Command, task: &Task) -> Self {
        let mut process = command
            .args(["--exact", "writer::child", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let task = serde_json::to_string(task).unwrap();
        // Fails if the process could not even begin; then there are no reports either.
        writeln!(process.stdin.take().unwrap(), "{task}").ok();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next report; `None` at the end.
    pub(crate) fn report(&mut self) -> Option<String> {
        self.lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("report: ").map(str::to_owned)
        })
    }

    /// All reports that are left, until the process ends by itself.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let reports = std::iter::from_fn(|| self.report()).collect();
        self.process.wait().unwrap();
        reports
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}
