//! Ctrl-C and SIGTERM in a run. Training writes a checkpoint first; all other work ends at once,
//! since its finished rows are kept.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Whether the work of the moment ends by itself.
static ENDS_ITSELF: AtomicBool = AtomicBool::new(false);

/// The signal that has arrived, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The exit code of a process that ended because of a signal is this plus the signal's number.
const SIGNALLED: i32 = 128;

/// Says whether the work of the moment ends by itself once a signal [`has_arrived`].
pub fn ends_itself(does: bool) {
    ENDS_ITSELF.store(does, Ordering::SeqCst);
}

/// Whether a signal has arrived.
pub fn has_arrived() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// The exit code that tells of the signal, if one has arrived.
pub fn exit_code() -> Option<u8> {
    let signal = SIGNAL.load(Ordering::SeqCst);
    (signal != 0).then(|| u8::try_from(SIGNALLED + signal).unwrap_or(u8::MAX))
}

/// Waits for signals from now on, in a thread of its own. Without signals on the system, or if it
/// refuses, a signal ends the process as if it did not wait.
pub fn watch() {
    #[cfg(unix)]
    unix::watch();
}

#[cfg(unix)]
mod unix {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    use super::{ENDS_ITSELF, Ordering, SIGNAL, SIGNALLED};
    use crate::terminal::line;

    pub fn watch() {
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else {
            return;
        };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let first = SIGNAL.swap(signal, Ordering::SeqCst) == 0;
                if first && ENDS_ITSELF.load(Ordering::SeqCst) {
                    line(
                        "\ninterrupted: this step ends and a checkpoint is written; interrupt again to \
                         end at once, and lose the steps since the last checkpoint",
                    );
                    continue;
                }
                line(
                    "\ninterrupted: what is finished is kept; run the same command again to resume",
                );
                std::process::exit(SIGNALLED + signal);
            }
        });
    }
}
