//! Runs a real binary, listens to what it prints, and sends it signals.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

pub use rustix::process::Signal;

/// How many lines of a process are shown when its test fails.
const SHOWN: usize = 40;

/// A running child; killed, not asked, when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: watch::Receiver<Vec<String>>,
}

impl Process {
    /// Starts a command with its program, arguments and environment; its input is empty.
    ///
    /// # Panics
    /// If the program cannot be run.
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.kill_on_drop(true).spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot run {command:?}: {error}"),
        };
        let (sender, lines) = watch::channel(Vec::new());
        tokio::spawn(collect(
            child.stdout.take().expect("it is piped"),
            sender.clone(),
        ));
        tokio::spawn(collect(child.stderr.take().expect("it is piped"), sender));
        Self { child, lines }
    }

    /// Returns what it has printed so far, on both outputs, line by line.
    pub fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// Waits until it has printed a line that contains `part`, now or earlier, and returns it.
    ///
    /// # Panics
    /// After `limit`, or when its output has ended without the line.
    pub async fn wait_for_line(&self, part: &str, limit: Duration) -> String {
        let mut lines = self.lines.clone();
        let find = |lines: &Vec<String>| lines.iter().find(|line| line.contains(part)).cloned();
        match timeout(limit, lines.wait_for(|lines| find(lines).is_some())).await {
            Ok(Ok(lines)) => find(&lines).expect("it was just there"),
            Ok(Err(_)) => panic!(
                "no line with {part:?} and its output has ended; it said:\n{}",
                self.tail()
            ),
            Err(late) => panic!(
                "no line with {part:?}: {late} ({limit:?}); it said:
{}",
                self.tail()
            ),
        }
    }

    /// Returns its process number.
    ///
    /// # Panics
    /// If it has ended and [`wait`](Self::wait) has seen that.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process still runs")
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it has ended and [`wait`](Self::wait) has seen that.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id().cast_signed()).expect("numbers are positive");
        kill_process(pid, signal).expect("a child can be sent a signal");
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// After `limit`.
    pub async fn wait(&mut self, limit: Duration) -> ExitStatus {
        match timeout(limit, self.child.wait()).await {
            Ok(status) => status.expect("a child can be waited for"),
            Err(late) => panic!(
                "it still runs: {late} ({limit:?}); it said:\n{}",
                self.tail()
            ),
        }
    }

    /// Ends it by SIGKILL and waits until it has ended.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    fn tail(&self) -> String {
        let lines = self.lines.borrow();
        let skipped = lines.len().saturating_sub(SHOWN);
        lines
            .iter()
            .skip(skipped)
            .map(|line| format!("  {line}\n"))
            .collect::<Vec<_>>()
            .concat()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("process {:?} said:\n{}", self.child.id(), self.tail());
        }
    }
}

/// Collects lines until the output ends; bytes that are no text are replaced.
async fn collect(output: impl AsyncRead + Unpin, lines: watch::Sender<Vec<String>>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|read| read > 0)
    {
        line.pop_if(|last| *last == b'\n');
        let text = String::from_utf8_lossy(&line).into_owned();
        lines.send_modify(|lines| lines.push(text));
        line.clear();
    }
}
