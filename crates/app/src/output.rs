//! Results on stdout; everything else a command says goes to stderr.

use std::io::{self, ErrorKind, Write};

/// Prints a result, whole, and flushes.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether a command ended because nobody reads its output any more, as in `.. | head`.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
