//! A worker's connection as the loop sees it: bytes in, bytes out.

use std::io::{ErrorKind, Write};
use std::time::Instant;

use chat_node::crash_point;
use chat_rpc::{FrameReader, FrameWriter};
use mio::net::UnixStream;

/// How long a connection that is being closed may take to take what is left.
const CLOSING_MS: u128 = 1_000;

pub(super) struct Socket {
    pub(super) stream: UnixStream,
    pub(super) reader: FrameReader,
    /// There may be something to be read.
    pub(super) is_readable: bool,
    /// The peer will send nothing more: the end is still to be read, which no event tells again.
    pub(super) is_read_closed: bool,
    /// To be closed once everything is written.
    pub(super) closing_since: Option<Instant>,
}

/// What became of a try to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    All,
    Some,
    PeerGone,
}

impl Socket {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            reader: FrameReader::default(),
            is_readable: true,
            is_read_closed: false,
            closing_since: None,
        }
    }

    pub(super) fn write(&mut self, output: &mut FrameWriter) -> Written {
        while output.pending_bytes() > 0 {
            let bytes = crash_point::cut("state:in-delivery", output.pending());
            match self.stream.write(bytes) {
                Ok(0) => return Written::PeerGone,
                Ok(bytes) => {
                    crash_point::cut_written();
                    crash_point::reach("state:after-answer");
                    output.advance(bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Written::Some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Written::PeerGone,
            }
        }
        Written::All
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.closing_since
            .is_some_and(|since| since.elapsed().as_millis() > CLOSING_MS)
    }
}
