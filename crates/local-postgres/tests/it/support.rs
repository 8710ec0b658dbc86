//! What the tests share: waiting, asking, and owners that can be killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use local_postgres::{Cluster, Options, SharedCluster};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// How long a shared cluster of a test stays after its last user.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

pub(crate) fn options_in(parent: &Path) -> Options {
    Options {
        parent: Some(parent.into()),
        ..Options::default()
    }
}

/// A folder for clusters that a server of another user can pass through, like `/tmp`.
pub(crate) struct Parent(TempDir);

pub(crate) fn open_dir() -> Parent {
    let permissions = PermissionsExt::from_mode(0o755);
    Parent(
        tempfile::Builder::new()
            .permissions(permissions)
            .tempdir_in("/tmp")
            .unwrap(),
    )
}

impl Parent {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Parent {
    /// Leaves the guards the time to do their work before the folder goes.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !processes_naming(self.path()).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) async fn number(url: &str, query: &str) -> i64 {
    client(url)
        .await
        .query_one(query, &[])
        .await
        .unwrap()
        .get(0)
}

pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Watches that something holds all through a period.
pub(crate) async fn stays(period: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + period;
    while Instant::now() < end {
        assert!(holds().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn is_empty(dir: &Path) -> bool {
    dir.read_dir().unwrap().next().is_none()
}

/// Lists the processes whose command line holds a text.
pub(crate) fn processes_naming(text: &Path) -> Vec<Pid> {
    let text = text.to_str().unwrap();
    let names = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
    };
    let entries = Path::new("/proc").read_dir().unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(names)
        .filter_map(|pid| Pid::from_raw(pid.cast_signed()))
        .collect()
}

/// Another process that owns or shares a cluster.
pub(crate) struct Owner {
    process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Owner {
    /// Starts this test program again, to hold a cluster of a `kind` (`private`, `shared`).
    pub(crate) fn start(program: &Path, kind: &str, parent: &Path, user: Option<u32>) -> Self {
        use std::os::unix::process::CommandExt;

        let mut command = Command::new(program);
        command.args([
            "--exact",
            "support::owner_process",
            "--ignored",
            "--nocapture",
        ]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/");
        if let Some(id) = user {
            command.uid(id).gid(id);
        }
        let mut process = command.spawn().unwrap();
        let stdin = process.stdin.as_mut().unwrap();
        writeln!(stdin, "{kind} {}", parent.display()).unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let url = output
            .by_ref()
            .lines()
            .map(Result::unwrap)
            .find_map(|line| {
                line.split_once("cluster at ")
                    .map(|(_, url)| url.to_owned())
            });
        Self {
            process,
            output,
            url: url.expect("the owner failed; see its output above"),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(&mut self) {
        kill_process(self.pid(), Signal::KILL).unwrap();
        self.process.wait().unwrap();
    }

    /// Lets it end by itself.
    pub(crate) fn end(mut self) {
        drop(self.process.stdin.take());
        std::io::copy(&mut self.output, &mut std::io::sink()).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_none()) {
            self.kill();
        }
    }
}

/// The cluster that the kill tests look at.
pub(crate) fn only_cluster_in(parent: &Path) -> PathBuf {
    let names = parent
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let clusters: Vec<_> = names
        .filter(|path| path.to_str().unwrap().contains("okta-collector-postgres-"))
        .collect();
    assert_eq!(clusters.len(), 1, "{clusters:?}");
    clusters[0].clone()
}

#[tokio::test]
#[ignore = "not a test: other tests start it as a process of its own"]
async fn owner_process() {
    let mut lines = std::io::stdin().lines();
    let Some(order) = lines.next() else { return };
    let order = order.unwrap();
    let (kind, parent) = order.split_once(' ').unwrap();
    let options = options_in(Path::new(parent));
    if kind == "shared" {
        let cluster = SharedCluster::join(options, LINGER).await.unwrap();
        println!("cluster at {}", cluster.url("postgres"));
        lines.next();
    } else {
        let cluster = Cluster::start(options).await.unwrap();
        println!("cluster at {}", cluster.url("postgres"));
        lines.next();
        cluster.stop().await.unwrap();
    }
}
