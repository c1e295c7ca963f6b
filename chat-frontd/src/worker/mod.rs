//! A worker: one thread, one event loop, many clients, one connection to the state daemon.

mod admission;
mod client_socket;
pub mod confinement;
mod daemon_socket;
mod event_loop;
mod full;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handshake_failures;
mod handshake_places;
mod handshakes;
mod proxied;
mod reading_pace;
mod records_in_flight;
mod source_pace;
mod tcp_queues;
mod tls_layer;
mod tls_setup;
mod tls_socket;

use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use chat_node::sandbox::Sandbox;
use chat_node::supervisor::child_reports::{ChildWarning, report_sandbox, report_warning};

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
    /// What the operator is to be warned of.
    pub warning: ChildWarning,
}

/// Serves clients until SIGTERM, or until the master is gone. An error means that this worker cannot go on. What it
/// does not need for that is given up first.
pub fn run(setup: WorkerSetup, mut sandbox: Sandbox) -> anyhow::Result<()> {
    let parent = setup.parent.try_clone()?;
    let settings = setup.settings.clone();
    report_warning(&parent, &setup.warning).context("cannot tell the master of a warning")?;
    let event_loop = EventLoop::new(setup)?;
    // All that had to be opened is open, and nobody is served yet.
    confinement::confine(&mut sandbox, &settings)?;
    let said = sandbox.summary();
    log::info!("sandbox: {said}");
    report_sandbox(&parent, &said).context("cannot tell the master of the sandbox")?;
    drop(parent);
    event_loop.run()
}
