//! Placeholder for the worker's loop: asks everybody to register, until its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use chat_shared::child_link::report_ready;

use crate::settings::Settings;

/// What a worker is given.
pub struct WorkerSetup {
    /// Where clients connect.
    pub listeners: Vec<TcpListener>,
    /// Ends with the parent.
    pub parent: UnixStream,
    /// The flags.
    pub settings: Settings,
}

/// Serves until told to end.
pub fn run(mut setup: WorkerSetup) -> anyhow::Result<()> {
    for listener in setup.listeners {
        std::thread::spawn(move || serve(&listener));
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

fn serve(listener: &TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(std::time::Duration::from_millis(5));
            continue;
        };
        std::thread::spawn(move || {
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                if (&stream).write_all(b"register\n").is_err() {
                    return;
                }
            }
        });
    }
}
