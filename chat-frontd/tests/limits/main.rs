//! Limits, balancers and the security log, with real processes: addresses of the loopback network stand for sources.

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
#[path = "../support/processes.rs"]
#[allow(dead_code)]
mod processes;

mod balancers;
mod connections;
mod fail2ban;
mod rates;
mod server;
mod tls;
