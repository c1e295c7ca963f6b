//! Connections from balancers, until they have said whom they stand for.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use nix::sys::socket::{MsgFlags, recv};
use slab::Slab;

use crate::proxy_header::{MAX_HEADER_BYTES, ProxyHeader, parse};

/// Connections of balancers that may be waited for at a time: beyond that the oldest goes.
const MAX_WAITING: usize = 4_096;

/// Whom a connection is for, and where it came to.
pub(super) struct Introduced {
    pub(super) stream: TcpStream,
    pub(super) source: SocketAddr,
    pub(super) listener: usize,
}

struct Waiting {
    serial: u64,
    stream: TcpStream,
    balancer: SocketAddr,
    listener: usize,
}

/// All connections whose header has not come.
pub(super) struct Proxied {
    first_token: usize,
    time_out_ms: u64,
    waiting: Slab<Waiting>,
    last_serial: u64,
    /// Those that something came for.
    listed: VecDeque<usize>,
    /// When each began; the oldest first. Some are over already.
    began: VecDeque<(u64, usize, u64)>,
    failed: Vec<(IpAddr, String)>,
}

impl Proxied {
    /// Their tokens are `first_token` and those after it.
    pub(super) fn new(first_token: usize, time_out_ms: u64) -> Self {
        Self {
            first_token,
            time_out_ms,
            waiting: Slab::new(),
            last_serial: 0,
            listed: VecDeque::new(),
            began: VecDeque::new(),
            failed: Vec::new(),
        }
    }

    /// Changes how long a header may take.
    pub(super) fn change_time_out(&mut self, time_out_ms: u64) {
        self.time_out_ms = time_out_ms;
    }

    /// How many are waited for.
    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// A balancer connected to the listener of this index.
    pub(super) fn begin(
        &mut self,
        mut stream: TcpStream,
        balancer: SocketAddr,
        listener: usize,
        registry: &Registry,
        now_ms: u64,
    ) {
        while self.waiting.len() >= MAX_WAITING
            && let Some((_, index, serial)) = self.began.pop_front()
        {
            if self.is_waiting(index, serial) {
                self.fail(index, "others wanted its place".to_owned());
            }
        }
        let entry = self.waiting.vacant_entry();
        let index = entry.key();
        let token = Token(self.first_token + index);
        if let Err(error) = registry.register(&mut stream, token, Interest::READABLE) {
            return log::error!("cannot wait for the balancer {balancer}: {error}");
        }
        self.last_serial += 1;
        let serial = self.last_serial;
        entry.insert(Waiting {
            serial,
            stream,
            balancer,
            listener,
        });
        self.listed.push_back(index);
        self.began.push_back((now_ms, index, serial));
    }

    /// Whether the event is for one of these. One that is over may have left some.
    pub(super) fn take_event(&mut self, event: &Event) -> bool {
        let Some(index) = event.token().0.checked_sub(self.first_token) else {
            return false;
        };
        self.listed.push_back(index);
        true
    }

    /// When time alone has something to be done.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let (began_ms, ..) = self.began.front()?;
        Some(began_ms + self.time_out_ms)
    }

    /// Looks at what came; gives back those whose header is complete. Nothing is waited for with them any more.
    pub(super) fn turn(&mut self, now_ms: u64, registry: &Registry) -> Vec<Introduced> {
        self.expire(now_ms);
        let mut introduced = Vec::new();
        while let Some(index) = self.listed.pop_front() {
            let Some(waiting) = self.waiting.get_mut(index) else {
                continue;
            };
            match waiting.take_header() {
                Ok(None) => {}
                Ok(Some(source)) => {
                    let mut waiting = self.waiting.remove(index);
                    if let Err(error) = registry.deregister(&mut waiting.stream) {
                        log::error!("cannot hand on a balancer's connection: {error}");
                        continue;
                    }
                    introduced.push(Introduced {
                        stream: waiting.stream,
                        source,
                        listener: waiting.listener,
                    });
                }
                Err(reason) => self.fail(index, reason),
            }
        }
        introduced
    }

    /// Balancers whose connections were closed since this was last called, and why.
    pub(super) fn take_failed(&mut self) -> Vec<(IpAddr, String)> {
        std::mem::take(&mut self.failed)
    }

    /// Gives all of them up.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.listed.clear();
        self.began.clear();
    }

    fn expire(&mut self, now_ms: u64) {
        while let Some(&(began_ms, index, serial)) = self.began.front() {
            let is_waiting = self.is_waiting(index, serial);
            if is_waiting && began_ms + self.time_out_ms > now_ms {
                return;
            }
            if is_waiting {
                self.fail(index, "the PROXY header did not come in time".to_owned());
            }
            self.began.pop_front();
        }
    }

    fn is_waiting(&self, index: usize, serial: u64) -> bool {
        let waiting = self.waiting.get(index);
        waiting.is_some_and(|waiting| waiting.serial == serial)
    }

    fn fail(&mut self, index: usize, reason: String) {
        let balancer = self.waiting.remove(index).balancer;
        self.failed.push((balancer.ip().to_canonical(), reason));
    }
}

impl Waiting {
    /// The source, once the whole header is there, which is then taken from the stream; the client's bytes stay there
    /// for whatever comes next.
    fn take_header(&mut self) -> Result<Option<SocketAddr>, String> {
        let mut bytes = [0; MAX_HEADER_BYTES];
        let fd = self.stream.as_fd().as_raw_fd();
        let count = loop {
            match recv(fd, &mut bytes, MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err("it hung up before the PROXY header was complete".to_owned()),
                Ok(count) => break count,
                Err(nix::errno::Errno::EAGAIN) => return Ok(None),
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.to_string()),
            }
        };
        match parse(&bytes[..count]).map_err(|error| error.to_string())? {
            ProxyHeader::Incomplete => Ok(None),
            ProxyHeader::Complete { length, source } => {
                self.consume(&mut bytes[..length])?;
                Ok(Some(source.unwrap_or(self.balancer)))
            }
        }
    }

    /// Reads what is known to be there.
    fn consume(&mut self, header: &mut [u8]) -> Result<(), String> {
        let mut taken = 0;
        while taken < header.len() {
            match self.stream.read(&mut header[taken..]) {
                Ok(0) => return Err("the PROXY header is gone".to_owned()),
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}
