//! Frames over a Unix socket to another process, and back.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{OtherEnd, UNIT_BYTES};
use crate::speed::setup::Stage;
use crate::speed::traffic::Stopwatch;

/// The other end.
#[derive(clap::Args, Clone, Debug)]
pub struct Peer {
    /// The socket to connect to
    pub socket: PathBuf,
}

/// Sends back what comes, until the other end hangs up.
pub fn answer(peer: &Peer) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(&peer.socket)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read])?;
    }
}

pub(super) fn measure(
    stage: &Stage<'_>,
    window: usize,
    span: Duration,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let dir = tempfile::Builder::new().prefix("chat-bench-").tempdir()?;
    let socket = dir.path().join("socket");
    let listener = UnixListener::bind(&socket)?;
    let peer = OtherEnd::start(stage, "frame-peer", &socket)?;
    let (mut stream, _) = listener.accept()?;
    let mut frames = vec![b'x'; UNIT_BYTES * window];
    let stopwatch = Stopwatch::start(vec![peer.pid()], 0);
    let began_at = Instant::now();
    let mut done = 0;
    while began_at.elapsed() < span {
        stream.write_all(&frames)?;
        stream.read_exact(&mut frames)?;
        done += window as u64;
    }
    Ok(stopwatch.figures("frames/s", done))
}
