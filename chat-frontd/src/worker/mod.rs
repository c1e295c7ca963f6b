//! A worker: one thread, one event loop, many clients, one connection to the state daemon.

mod client_socket;
mod daemon_socket;
mod event_loop;
mod handshake_failures;
mod handshakes;
mod records_in_flight;
mod tcp_queues;
mod tls_layer;
mod tls_setup;
mod tls_socket;

use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use crate::settings::Settings;
use event_loop::EventLoop;

/// What a worker is started with.
#[derive(Debug)]
pub struct WorkerSetup {
    /// Where clients connect; shared by all workers.
    pub listeners: Vec<TcpListener>,
    /// The master: is told when clients can be served; hands out what TLS needs; its end is the worker's end.
    pub parent: UnixStream,
    /// The flags.
    pub settings: Settings,
}

/// Serves clients until SIGTERM, or until the master is gone. An error means that this worker cannot go on.
pub fn run(setup: WorkerSetup) -> anyhow::Result<()> {
    EventLoop::new(setup)?.run()
}
