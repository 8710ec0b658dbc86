//! A private cluster: one server with a data directory of its own.
//!
//! The server listens on the loopback address only, on a port of its own, and asks for a random
//! password, so other users of the machine stay out. It lives as long as its [`Cluster`]: when that
//! is stopped or dropped, or its process ends in whatever way, the server is shut down and the
//! folder removed.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::account::Account;
use crate::error::Error;
use crate::folder::{Folder, sweep_leftovers};
use crate::guard::{Guard, Hold};
use crate::options::Options;
use crate::programs::Programs;
use crate::{random, ready};

/// How long a server may take to end after it was told to.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// A running PostgreSQL server of our own; gone when dropped.
pub struct Cluster {
    options: Options,
    programs: Programs,
    account: Account,
    folder: Folder,
    port: u16,
    password: String,
    guard: Guard,
    server: Option<Child>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("folder", &self.folder.path())
            .field("port", &self.port)
            .field("version", &self.programs.version)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Sweeps leftovers, makes a data directory, starts a server on it and waits until it answers.
    ///
    /// # Errors
    /// Says what is missing or what the programs complained of; nothing is left behind.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::start_held(options, Hold::Private).await
    }

    pub(crate) async fn start_held(options: Options, hold: Hold) -> Result<Self, Error> {
        let programs = Programs::find(options.bin_dir.as_deref()).await?;
        let account = Account::choose()?;
        let parent = options
            .parent
            .clone()
            .unwrap_or_else(|| account.default_parent());
        if let Err(error) = sweep_leftovers(Some(&parent)).await {
            tracing::warn!(%error, "a leftover cluster stays");
        }
        let folder = Folder::create(&parent, account)?;
        // The guard comes first, so that a kill from here on leaves nothing behind.
        let guard = Guard::start(&folder, hold)
            .await
            .map_err(Error::io("guard", folder.path()))?;
        let password = random::hex::<16>()?;
        let mut cluster = Self {
            options,
            programs,
            account,
            folder,
            port: 0,
            password,
            guard,
            server: None,
        };
        cluster.init().await?;
        cluster.launch_on_free_port().await?;
        Ok(cluster)
    }

    /// Returns the URL of a database of this server, for the user of this process only.
    ///
    /// The database `postgres` exists from the start. The name is taken as it is: letters, digits
    /// and `_` are safe.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// Returns the programs that the server was started from.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Returns the cluster's folder, which is removed in the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the last lines of the server's log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(self.folder.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Shuts the server down in order: sessions are cut, what was committed is on disk. Its data
    /// stay for [`start_again`](Self::start_again). Does nothing if it does not run.
    pub async fn stop_fast(&mut self) -> Result<(), Error> {
        self.end(Signal::INT).await
    }

    /// Stops the server as a crash does: sessions are cut, nothing is tidied up, the next start
    /// has to recover. Does nothing if it does not run.
    pub async fn stop_immediately(&mut self) -> Result<(), Error> {
        self.end(Signal::QUIT).await
    }

    /// Starts the stopped server again, on the same URL, and waits until it answers.
    pub async fn start_again(&mut self) -> Result<(), Error> {
        match self.server {
            Some(_) => Ok(()),
            None => self.launch().await,
        }
    }

    /// Shuts the server down in order and starts it again.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.stop_fast().await?;
        self.start_again().await
    }

    /// Shuts the server down in order, removes its folder and waits until both is done.
    ///
    /// # Errors
    /// [`Error::NotStopped`] if the server or its folder stays.
    pub async fn stop(self) -> Result<(), Error> {
        let path = self.folder.path().to_path_buf();
        let finished = timeout(STOP_LIMIT, self.guard.finish()).await;
        if let Some(mut server) = self.server {
            server.wait().await.map_err(Error::io("wait for", &path))?;
        }
        match finished {
            Ok(Ok(true)) => Ok(()),
            _ => Err(Error::NotStopped(path)),
        }
    }

    /// Lets the server live without this process's care; the rope keeps it.
    pub(crate) fn into_shared(self) -> (OwnedFd, Folder) {
        (self.guard.rope, self.folder)
    }

    async fn init(&self) -> Result<(), Error> {
        let (data, password_file) = (self.folder.data(), self.folder.path().join("password"));
        DirBuilder::new()
            .mode(0o700)
            .create(&data)
            .map_err(Error::io("make", &data))?;
        write_private(&password_file, &self.password)?;
        self.account.give(&data)?;
        self.account.give(&password_file)?;

        let mut initdb = self.command("initdb");
        initdb
            .arg("-D")
            .arg(&data)
            .arg("--pwfile")
            .arg(&password_file);
        initdb.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--no-instructions",
        ]);
        initdb.args(["--encoding=UTF8", "--locale=C"]);
        if !self.options.durable {
            initdb.arg("--no-sync");
        }
        let output = initdb
            .output()
            .await
            .map_err(Error::io("run", self.programs.program("initdb")))?;
        std::fs::remove_file(&password_file).map_err(Error::io("remove", &password_file))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(Error::InitFailed {
            output: String::from_utf8_lossy(&said).trim().into(),
        })
    }

    /// Starts the server; takes another port where somebody was quicker.
    async fn launch_on_free_port(&mut self) -> Result<(), Error> {
        const TRIES: usize = 5;
        for _ in 1..TRIES {
            self.port = random::free_port()?;
            match self.launch().await {
                Err(Error::NotUp { log, .. }) if log.contains("Address already in use") => {}
                done => return done,
            }
        }
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), Error> {
        let log = self.folder.log();
        let open = || OpenOptions::new().create(true).append(true).open(&log);
        let log_file = open().map_err(Error::io("open", &log))?;
        let log_too = log_file.try_clone().map_err(Error::io("open", &log))?;
        let mut server = self
            .command("postgres")
            .arg("-D")
            .arg(self.folder.data())
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-c", &format!("port={}", self.port)])
            .args(self.options.arguments())
            .stdout(log_file)
            .stderr(log_too)
            .spawn()
            .map_err(Error::io("run", self.programs.program("postgres")))?;

        let ended = async || {
            let status = server.try_wait().ok().flatten()?;
            Some(format!("it ended with {status}"))
        };
        match ready::until_answers(&self.url("postgres"), ended).await {
            Ok(()) => {
                self.server = Some(server);
                Ok(())
            }
            Err(reason) => {
                let log = self.log_tail();
                self.server = Some(server);
                self.end(Signal::QUIT).await?;
                Err(Error::NotUp { reason, log })
            }
        }
    }

    async fn end(&mut self, signal: Signal) -> Result<(), Error> {
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        let stuck = || Error::NotStopped(self.folder.path().to_path_buf());
        // Without a number it has ended already, and the wait below returns at once.
        if let Some(pid) = server.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, signal).map_err(|_| stuck())?;
        }
        timeout(STOP_LIMIT, server.wait())
            .await
            .map_err(|_| stuck())?
            .map_err(|_| stuck())?;
        self.server = None;
        Ok(())
    }

    /// Returns a command of the server's user, in a folder that this user may enter.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.program(name));
        command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            // Ctrl-C at the terminal is for the users; they decide when the server goes.
            .process_group(0);
        self.account.run_as(&mut command);
        command
    }
}

/// Writes a file that only this user can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let write = |mut file: File| file.write_all(text.as_bytes());
    options
        .open(path)
        .and_then(write)
        .map_err(Error::io("write", path))
}
