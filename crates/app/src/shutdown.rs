//! The end of a process: a first SIGTERM or SIGINT asks it to stop in order, a second ends it at once.

use std::io;
use std::process::exit;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Gives a token that is cancelled by the first signal. From now on signals do not end the process by
/// themselves; the second one does, with the code that a shell expects (130, 143).
pub(crate) fn on_signal() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        let (name, _) = next(&mut interrupt, &mut terminate).await;
        tracing::info!("{name} received: stopping; a second one ends at once");
        told.cancel();
        let (name, code) = next(&mut interrupt, &mut terminate).await;
        tracing::warn!("{name} received again: ending at once");
        exit(code);
    });
    Ok(stop)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = interrupt.recv() => ("SIGINT", 130),
        _ = terminate.recv() => ("SIGTERM", 143),
    }
}
