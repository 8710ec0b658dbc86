//! Appends a batch to a file: all of it, or nothing.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::{Duration, Instant};

use rustix::fs::fsync;

use super::fault::Fault;
use super::root::{Opened, Place};
use crate::{Events, Refusal};

/// How long other writers of the file are waited for; each holds the lock for one batch.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Asking again instead of a blocking lock, which could not be given up.
const LOCK_POLL: Duration = Duration::from_millis(5);
/// Bytes read at a time when looking for the last line end.
const CHUNK: usize = 8 << 10;

/// Appends the events as lines and syncs them to disk; gives back those that are no line.
///
/// `abandoned` is asked while waiting for other writers and once more before the first write.
pub(super) fn append(
    place: &Place,
    events: &Events,
    abandoned: impl Fn() -> bool,
) -> Result<Vec<Refusal>, Fault> {
    let name = || place.path.as_str().into();
    let system = |act| {
        move |error| Fault::System {
            act,
            name: name(),
            error,
        }
    };
    let Opened { file, folders } = place.open()?;
    match lock(&file, LOCK_WAIT, abandoned).map_err(system("lock"))? {
        Lock::Held => {}
        Lock::Taken(waited) => {
            return Err(Fault::Locked {
                name: name(),
                waited,
            });
        }
        Lock::Abandoned => return Err(Fault::Abandoned),
    }
    // The lock may have been waited for: what is written to a file without a name would be lost.
    if file.metadata().map_err(system("open"))?.nlink() == 0 {
        return Err(Fault::Removed(name()));
    }

    let length = cut_torn_line(&file).map_err(system("cut the torn last line of"))?;
    if length == 0 {
        // Before the first byte, so that a file with content is known to have a lasting name.
        for folder in &folders {
            fsync(folder).map_err(|errno| system("sync the folders of")(errno.into()))?;
        }
    }
    let (mut lines, refused) = lines(events);
    if let Err(error) = write(&file, &mut lines).and_then(|()| file.sync_data()) {
        if let Err(error) = file.set_len(length) {
            // Whole lines may then come twice; a torn one is cut by the next delivery.
            tracing::warn!(file = place.path.as_str(), %error, "cannot take back a failed append");
        }
        return Err(system("append to")(error));
    }
    Ok(refused)
}

#[derive(Debug, PartialEq, Eq)]
enum Lock {
    Held,
    Taken(Duration),
    Abandoned,
}

fn lock(file: &File, wait: Duration, abandoned: impl Fn() -> bool) -> io::Result<Lock> {
    let deadline = Instant::now() + wait;
    loop {
        let locked = file.try_lock();
        if abandoned() {
            return Ok(Lock::Abandoned);
        }
        match locked {
            Ok(()) => return Ok(Lock::Held),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Ok(Lock::Taken(wait));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL),
        }
    }
}

/// Cuts what follows the last line end, left by a writer that was killed; the length that remains.
fn cut_torn_line(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let whole = end_of_last_line(file, length)?;
    if whole < length {
        tracing::warn!(bytes = length - whole, "cutting a torn last line");
        file.set_len(whole)?;
    }
    Ok(whole)
}

fn end_of_last_line(file: &File, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut end = length;
    while end > 0 {
        let size = usize::try_from(end).map_or(CHUNK, |end| end.min(CHUNK));
        let (chunk, _) = buffer.split_at_mut(size);
        let start = end - size as u64;
        file.read_exact_at(chunk, start)?;
        if let Some(at) = memchr::memrchr(b'\n', chunk) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The bytes to write, and the events that would not be one line.
fn lines(events: &Events) -> (Vec<IoSlice<'_>>, Vec<Refusal>) {
    let mut lines = Vec::with_capacity(2 * events.len());
    let mut refused = Vec::new();
    for (index, event) in events.iter().enumerate() {
        if event.is_empty() || memchr::memchr(b'\n', event).is_some() {
            refused.push(Refusal {
                index,
                cause: "not_one_line",
                detail: "an event in a file must be exactly one line".to_owned(),
            });
        } else {
            lines.extend([IoSlice::new(event), IoSlice::new(b"\n")]);
        }
    }
    (lines, refused)
}

/// Hundreds of lines per system call, straight from the batch's buffer.
fn write(mut file: &File, mut lines: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !lines.is_empty() {
        match file.write_vectored(lines) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut lines, written),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_cut_wherever_its_beginning_is() {
        let long = "x".repeat(3 * CHUNK);
        let edge = "x".repeat(CHUNK - 1);
        for (before, after) in [
            (String::new(), String::new()),
            ("torn".to_owned(), String::new()),
            ("a\nb\n".to_owned(), "a\nb\n".to_owned()),
            ("a\nb\ntorn".to_owned(), "a\nb\n".to_owned()),
            (format!("a\n{long}"), "a\n".to_owned()),
            (long.clone(), String::new()),
            (format!("{edge}\n{long}"), format!("{edge}\n")),
            (format!("a\n{edge}"), "a\n".to_owned()),
        ] {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(before.as_bytes(), 0).unwrap();
            let length = cut_torn_line(&file).unwrap();
            assert_eq!(length, after.len() as u64);
            assert_eq!(file.metadata().unwrap().len(), length);
            let mut rest = vec![0; after.len()];
            file.read_exact_at(&mut rest, 0).unwrap();
            assert_eq!(rest, after.as_bytes());
        }
    }

    #[test]
    fn a_lock_that_is_not_given_back_is_not_waited_for_forever() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let holder = file.reopen().unwrap();
        holder.lock().unwrap();
        let wait = Duration::from_millis(1);
        assert_eq!(
            lock(file.as_file(), wait, || false).unwrap(),
            Lock::Taken(wait)
        );
        assert_eq!(
            lock(file.as_file(), LOCK_WAIT, || true).unwrap(),
            Lock::Abandoned
        );
        drop(holder);
        assert_eq!(lock(file.as_file(), wait, || false).unwrap(), Lock::Held);
    }
}
