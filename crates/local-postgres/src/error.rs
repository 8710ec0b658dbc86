//! What can go wrong when a server is started or stopped.

use std::io;
use std::path::{Path, PathBuf};

use crate::programs::Version;

/// Why a server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No folder with `initdb` and `postgres` was found.
    #[error(
        "no PostgreSQL programs (initdb, postgres) found; install version 15 or newer: \
         `apt-get install postgresql` or `brew install postgresql@17`"
    )]
    ProgramsNotFound,
    /// The folder that was asked for holds no PostgreSQL programs.
    #[error("no PostgreSQL programs in {}: it must hold initdb and postgres", .0.display())]
    NotInBinDir(PathBuf),
    /// Only programs older than version 15 were found.
    #[error(
        "the PostgreSQL programs in {} are version {version}, but 15 or newer is needed",
        bin_dir.display()
    )]
    TooOld {
        /// Where they are.
        bin_dir: PathBuf,
        /// What they say of themselves.
        version: Version,
    },
    /// Root may not run PostgreSQL, and there is no other user to run it as.
    #[error("PostgreSQL refuses to run as root, and this machine has no user postgres or nobody")]
    NoAccount,
    /// `initdb` did not make a data directory.
    #[error("initdb failed:\n{output}")]
    InitFailed {
        /// What it printed.
        output: String,
    },
    /// The server ended or did not answer in time.
    #[error("PostgreSQL did not come up: {reason}; the end of its log:\n{log}")]
    NotUp {
        /// What was seen last.
        reason: String,
        /// The last lines of the server's log.
        log: String,
    },
    /// The server did not end, or its folder could not be removed.
    #[error("PostgreSQL in {} could not be stopped and removed", .0.display())]
    NotStopped(PathBuf),
    /// A docker command failed.
    #[error("docker {command} failed: {output}")]
    Docker {
        /// The subcommand.
        command: &'static str,
        /// What it printed.
        output: String,
    },
    /// The operating system refused something.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file, folder or program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Returns a closure for `map_err` that adds what was tried with which path.
    pub(crate) fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { what, path, source }
    }
}
