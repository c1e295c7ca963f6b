//! A worker's connection as the loop sees it: bytes in, bytes out.

use std::io::{ErrorKind, Write};
use std::time::Instant;

use chat_node::crash_point;
use chat_rpc::{FrameReader, FrameWriter};
use mio::event::Event;
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

/// How long a connection that is being closed may take to take what is left.
const CLOSING_MS: u128 = 1_000;

pub(super) struct Socket {
    pub(super) stream: UnixStream,
    token: Token,
    pub(super) reader: FrameReader,
    /// There may be something to be read.
    pub(super) is_readable: bool,
    /// The peer will send nothing more: the end is still to be read, which no event tells again.
    pub(super) is_read_closed: bool,
    /// To be closed once everything is written.
    pub(super) closing_since: Option<Instant>,
    /// The kernel took less than there was, and says when it has room again. It is not asked to otherwise: it would
    /// wake this process for every frame that the worker reads.
    awaits_room: bool,
}

/// What became of a try to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    All,
    Some,
    PeerGone,
}

impl Socket {
    /// One that is waited for under a token from now on.
    pub(super) fn new(
        mut stream: UnixStream,
        token: Token,
        registry: &Registry,
    ) -> std::io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self {
            stream,
            token,
            reader: FrameReader::default(),
            is_readable: true,
            is_read_closed: false,
            closing_since: None,
            awaits_room: false,
        })
    }

    pub(super) fn write(&mut self, output: &mut FrameWriter, registry: &Registry) -> Written {
        let written = self.write_now(output);
        if written != Written::Some || self.awaits_room {
            return written;
        }
        self.awaits_room = true;
        match self.wait_for(registry, Interest::READABLE | Interest::WRITABLE) {
            true => written,
            false => Written::PeerGone,
        }
    }

    /// Takes what an event tells of. Room is awaited until the worker has read what was written last: that event brings
    /// a turn, in which is done what had to wait for the worker.
    pub(super) fn take_event(&mut self, event: &Event, is_written: bool, registry: &Registry) {
        self.is_read_closed |= event.is_read_closed() || event.is_error();
        self.is_readable |= event.is_readable() || self.is_read_closed;
        if self.awaits_room && event.is_writable() && is_written {
            self.awaits_room = false;
            // If this fails, the kernel tells more than it has to.
            self.wait_for(registry, Interest::READABLE);
        }
    }

    fn wait_for(&mut self, registry: &Registry, interest: Interest) -> bool {
        let result = registry.reregister(&mut self.stream, self.token, interest);
        if let Err(error) = &result {
            log::error!("cannot wait for a worker: {error}");
        }
        result.is_ok()
    }

    fn write_now(&mut self, output: &mut FrameWriter) -> Written {
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
