//! Placeholder for the state daemon's loop: says that it is ready and waits for its end.

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};

use chat_shared::child_link::report_ready;

use crate::settings::Settings;

/// What the child is given.
pub struct DaemonSetup {
    /// Where workers connect.
    pub listener: UnixListener,
    /// Ends with the parent.
    pub parent: UnixStream,
    /// The flags.
    pub settings: Settings,
}

/// Serves until told to end.
pub fn run(mut setup: DaemonSetup) -> anyhow::Result<()> {
    let state = setup.settings.state_dir();
    if state.is_file() {
        anyhow::bail!("{} is damaged", state.display());
    }
    let mut signals = signal_hook::iterator::Signals::new([1, 15])?;
    std::thread::spawn(move || {
        if signals.forever().any(|signal| signal == 15) {
            std::process::exit(0);
        }
    });
    report_ready(&setup.parent)?;
    setup.parent.read_to_end(&mut Vec::new())?;
    Ok(())
}
