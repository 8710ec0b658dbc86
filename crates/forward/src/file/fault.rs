//! Why a batch did not get into its file, and what that means for the delivery.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use model::status::Trouble;

use crate::Then;

/// Why nothing of a batch is settled. Names are relative to the root, so that a message tells a tenant
/// nothing about the machine.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("cannot open the file root (COLLECTOR_FILE_ROOT): {0}")]
    Root(io::Error),
    #[error("{0:?} is a symbolic link; those are not followed")]
    SymbolicLink(PathBuf),
    #[error("{0:?} is not a folder")]
    NotAFolder(PathBuf),
    #[error("{0:?} is not a regular file")]
    NotAFile(PathBuf),
    #[error("cannot {act} {name:?}: {error}")]
    System {
        act: &'static str,
        name: PathBuf,
        error: io::Error,
    },
    #[error("{name:?} has been locked by another program for {} s", .waited.as_secs())]
    Locked { name: PathBuf, waited: Duration },
    #[error("{0:?} was removed while it was being opened")]
    Removed(PathBuf),
    #[error("the delivery was given up before it began")]
    Abandoned,
}

impl Fault {
    /// Whether it stays until somebody does something. A full or failing disk counts as passing: it is
    /// mended outside of the collector, and nothing tells us when.
    fn lasts(&self) -> bool {
        match self {
            Self::SymbolicLink(_) | Self::NotAFolder(_) | Self::NotAFile(_) => true,
            Self::Root(error) => error.kind() == ErrorKind::NotFound || refuses(error),
            Self::System { error, .. } => refuses(error),
            Self::Locked { .. } | Self::Removed(_) | Self::Abandoned => false,
        }
    }
}

fn refuses(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::Unsupported
    )
}

impl From<Fault> for Then {
    fn from(fault: Fault) -> Self {
        let detail = fault.to_string();
        if fault.lasts() {
            Self::Stop {
                trouble: Trouble::DestinationRefuses,
                detail,
            }
        } else {
            Self::Retry {
                after: None,
                trouble: Trouble::DestinationUnavailable,
                detail,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn stops(errno: Errno) -> bool {
        let fault = Fault::System {
            act: "append to",
            name: "a/b".into(),
            error: errno.into(),
        };
        matches!(Then::from(fault), Then::Stop { .. })
    }

    #[test]
    fn a_failing_disk_is_retried_and_a_refusing_one_stops() {
        for errno in [
            Errno::NOSPC,
            Errno::IO,
            Errno::DQUOT,
            Errno::FBIG,
            Errno::STALE,
        ] {
            assert!(!stops(errno), "{errno}");
        }
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::NAMETOOLONG] {
            assert!(stops(errno), "{errno}");
        }
        assert!(Fault::Root(Errno::NOENT.into()).lasts());
        assert!(!Fault::Root(Errno::STALE.into()).lasts());
    }

    #[test]
    fn a_message_says_what_and_where() {
        let fault = Fault::System {
            act: "append to",
            name: "a/b.ndjson".into(),
            error: Errno::NOSPC.into(),
        };
        assert_eq!(
            fault.to_string(),
            "cannot append to \"a/b.ndjson\": No space left on device (os error 28)"
        );
    }
}
