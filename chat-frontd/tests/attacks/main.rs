//! Attacks on real processes over real sockets, beyond what other tests try: docs/security.md says which test tries what.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

#[path = "../support/certificate.rs"]
#[allow(dead_code)]
mod certificate;
#[path = "../support/connection.rs"]
#[allow(dead_code)]
mod connection;
#[path = "../processes/installation.rs"]
#[allow(dead_code)]
mod installation;
#[path = "../worker/server.rs"]
#[allow(dead_code)]
mod one_worker;
#[path = "../support/processes.rs"]
#[allow(dead_code)]
mod processes;
#[path = "../limits/server.rs"]
#[allow(dead_code)]
mod server;

mod descriptors;
mod guessing;
mod never_reading;
mod resets;
mod rpc_socket;
mod slowloris;
mod texts;
