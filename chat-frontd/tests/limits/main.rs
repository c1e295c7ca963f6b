//! Limits, balancers and the security log, with real processes: addresses of the loopback network serve as sources.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

#[path = "../support/real_processes.rs"]
mod support;

mod balancers;
mod connections;
mod fail2ban;
mod logs;
mod rates;
mod rooms;
mod server;
mod tls;

use support::{certificate, connection, installation};
