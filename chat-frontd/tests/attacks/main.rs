//! Attacks on real processes over real sockets, in addition to other tests: docs/security.md lists the test for each
//! attack.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

#[path = "../worker/server.rs"]
// Shared with another test, and only partly used.
#[allow(dead_code)]
mod one_worker;
#[path = "../limits/server.rs"]
// Shared with another test, and only partly used.
#[allow(dead_code)]
mod server;
#[path = "../support/real_processes.rs"]
mod support;

mod descriptors;
mod guessing;
mod large_answers;
mod never_reading;
mod resets;
mod rpc_socket;
mod slowloris;
mod texts;

use support::{certificate, connection, installation};
