//! Attacks on real processes over real sockets, beyond what other tests try: docs/security.md says which test tries
//! what.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

#[path = "../worker/server.rs"]
// Made for another test, and used in part.
#[allow(dead_code)]
mod one_worker;
#[path = "../limits/server.rs"]
// Made for another test, and used in part.
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
