//! Connects in a thread of its own, so that the screen does not stand still meanwhile.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustls::ClientConfig;

use crate::connection::Connection;
use crate::target::Target;

/// A try to connect that is under way.
pub(crate) struct Dialer {
    result: Receiver<Result<Connection, String>>,
    /// Readable once there is a result.
    done: UnixStream,
}

impl Dialer {
    /// Begins to connect.
    pub(crate) fn start(server: &Arc<Target>, tls: Option<ClientConfig>) -> io::Result<Self> {
        let (done, mut doing) = UnixStream::pair()?;
        let (sender, result) = mpsc::channel();
        let server = Arc::clone(server);
        thread::Builder::new().spawn(move || {
            // Nobody may wait any more.
            let _ = sender.send(server.connect(tls, None));
            let _ = doing.write_all(b"x");
        })?;
        Ok(Self { result, done })
    }

    /// What came of it.
    pub(crate) fn result(self) -> Result<Connection, String> {
        let result = self.result.recv();
        result.unwrap_or_else(|_| Err("the thread that connects has died".to_owned()))
    }
}

impl AsFd for Dialer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }
}
