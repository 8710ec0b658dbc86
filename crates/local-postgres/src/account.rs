//! Under which user the server runs.
//!
//! PostgreSQL refuses to run as root. An ordinary user runs it as themselves; root steps down to
//! `postgres`, which the package makes, or to `nobody`.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::error::Error;

/// The user of the server's processes and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user of this process.
    Own,
    /// Another user; this process is root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn choose() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let users =
            std::fs::read_to_string("/etc/passwd").map_err(Error::io("read", "/etc/passwd"))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| look_up(&users, name))
            .ok_or(Error::NoAccount)
    }

    /// Returns the folder for private clusters.
    ///
    /// Root's own temporary folder may be closed to other users, `/tmp` is not.
    pub(crate) fn default_parent(self) -> PathBuf {
        match self {
            Self::Own => std::env::temp_dir(),
            Self::Other { .. } => "/tmp".into(),
        }
    }

    /// Gives a file or folder to the server's user.
    pub(crate) fn give(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).map_err(Error::io("change the owner of", path))
            }
        }
    }

    /// Lets a command run as the server's user.
    pub(crate) fn run_as(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }
}

fn look_up(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        // A user with number 0 is root by another name.
        (uid != 0).then_some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres2:x:7:8::/:/bin/sh\n\
                     postgres:x:101:104::/:/bin/sh\nbroken:x:\ntoor:x:0:0::/:/bin/sh\n";
        assert_eq!(
            look_up(users, "postgres"),
            Some(Account::Other { uid: 101, gid: 104 })
        );
        assert_eq!(look_up(users, "nobody"), None);
        assert_eq!(look_up(users, "broken"), None);
        assert_eq!(look_up(users, "toor"), None);
    }
}
