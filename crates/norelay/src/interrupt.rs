//! The user's wish to stop, by signals.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// The exit code after a second interrupt: that of a program that SIGINT ends, as a shell shows it.
const INTERRUPTED: i32 = 130;

/// Becomes true at the first interrupt or request to terminate. A second interrupt ends the process
/// at once, if stopping takes too long. To be called within a tokio runtime.
pub fn stopped_by_user() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    // The signals count from now on, not from when the task first runs.
    let (mut interrupts, mut terminations) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    tokio::spawn(async move {
        tokio::select! {
            () = next(&mut interrupts) => {}
            () = next(&mut terminations) => {}
        }
        let _ = stop.send(true);
        next(&mut interrupts).await;
        std::process::exit(INTERRUPTED);
    });
    stopped
}

/// The next signal of this kind. None ever comes if the kind can't be listened to.
async fn next(signals: &mut std::io::Result<Signal>) {
    match signals {
        Ok(signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}
