//! The guard: a small shell process that tears a cluster down after its last user.
//!
//! A process that is killed cannot clean up after itself, and its server would live on. So the
//! users of a cluster hold one end of a pipe (the rope), and the guard reads the other. The kernel
//! closes the rope whatever happens to the users, and the guard then stops the server and removes
//! the folder. Stopping on request is the same: let go of the rope, wait for the guard. Only where
//! the guard is killed too is anything left over, for [`sweep_leftovers`](crate::sweep_leftovers).

use std::fs::OpenOptions;
use std::io::{self, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use tokio::process::{Child, Command};

use crate::folder::Folder;

/// How users hold on to the cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hold {
    /// Only this process; torn down as soon as it lets go.
    Private,
    /// Any process of this user; torn down when nobody has held it for this long.
    Shared { linger: Duration },
}

/// A running guard.
#[derive(Debug)]
pub(crate) struct Guard {
    /// While this is open the guard leaves the cluster alone.
    pub(crate) rope: OwnedFd,
    process: Child,
}

impl Guard {
    pub(crate) async fn start(folder: &Folder, hold: Hold) -> io::Result<Self> {
        let (reader, rope, linger) = match hold {
            Hold::Private => {
                let (reader, rope) = pipe()?;
                (reader.into(), rope.into(), Duration::ZERO)
            }
            Hold::Shared { linger } => {
                let (reader, rope) = named_pipe(&folder.users()).await?;
                (reader, rope, linger)
            }
        };
        let process = spawn(folder, linger, &folder.announcement(), reader.into())?;
        Ok(Self { rope, process })
    }

    /// Lets go and waits until the cluster is gone; false if it is not.
    pub(crate) async fn finish(mut self) -> io::Result<bool> {
        drop(self.rope);
        Ok(self.process.wait().await?.success())
    }
}

/// Stops and removes a cluster that nobody holds; false if it could not be.
pub(crate) async fn tear_down(folder: &Folder) -> io::Result<bool> {
    // An announcement stays: whoever sweeps may hold its lock, to announce a new cluster.
    let mut process = spawn(folder, Duration::ZERO, Path::new(""), Stdio::null())?;
    Ok(process.wait().await?.success())
}

fn spawn(
    folder: &Folder,
    linger: Duration,
    announcement: &Path,
    users: Stdio,
) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", include_str!("guard.sh"), "guard"])
        .arg(folder.path())
        .arg(linger.as_secs().to_string())
        .arg(announcement)
        .stdin(users)
        // Nothing is written to it: the guard holds the marker's lock as long as it lives.
        .stdout(folder.marker().try_clone()?)
        .stderr(Stdio::null())
        .current_dir("/")
        // Ctrl-C at the terminal is for the users; they decide when the server goes.
        .process_group(0)
        .spawn()
}

/// Makes a pipe with a name, so that other processes can hold the rope too.
async fn named_pipe(path: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    let made = Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(path)
        .status()
        .await?;
    if !made.success() {
        return Err(io::Error::other("mkfifo failed"));
    }
    // A reader that does not wait for a writer comes first: each plain open waits for the other.
    let reader = OpenOptions::new()
        .read(true)
        .custom_flags(non_blocking())
        .open(path)?;
    let rope = OpenOptions::new().write(true).open(path)?;
    fcntl_setfl(&reader, OFlags::empty())?;
    Ok((reader.into(), rope.into()))
}

/// Returns the flag under which opening a pipe nobody reads fails instead of waiting.
pub(crate) fn non_blocking() -> i32 {
    OFlags::NONBLOCK.bits().cast_signed()
}
