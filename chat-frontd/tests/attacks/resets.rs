//! Connections that are opened only to be reset.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::connection::Connection;
use crate::installation::{FRONTD, STATED, open_files, wait_until};
use crate::server::{Server, expect, says, source};

const CONNECTIONS: usize = 20_000;
const THREADS: usize = 4;
/// Maximum number of connections per source.
const PLACES: usize = 3;

/// The address of one of 400 sources.
fn attacker(number: usize) -> IpAddr {
    let [network, host] = [1 + number / 100 % 4, 1 + number % 100].map(|part| part as u8);
    Ipv4Addr::new(127, 0, network, host).into()
}

fn connect_and_reset(server: &Server, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let mut connection = Connection::open(server.address(), Some(attacker(number))).unwrap();
        // It does not matter whether the server still reads.
        let _ = match number % 3 {
            0 => Ok(()),
            1 => connection.send(b"half a na"),
            _ => connection.send(b"foobar\nwrong\nfoo"),
        };
        connection.reset().unwrap();
    }
}

fn descriptors(server: &Server) -> usize {
    let workers = server.installation.children(FRONTD);
    workers.iter().map(|worker| open_files(worker).len()).sum()
}

#[test]
fn reset_connections_leave_nothing_behind() {
    // Lets this process count the descriptors of the workers.
    let sandbox = match geteuid().is_root() {
        true => "best-effort",
        false => "off",
    };
    let places = PLACES.to_string();
    let server = Server::start(&[
        ("CHAT_MAX_ADDRESS_CONNECTIONS", &places),
        ("CHAT_SANDBOX", sandbox),
    ]);
    let mut good = server.log_in(source(2), "windows", "withglass");
    let workers = server.installation.children(FRONTD);
    let state = server.installation.children(STATED);
    let before = descriptors(&server);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let share = CONNECTIONS / THREADS;
            let server = &server;
            scope.spawn(move || connect_and_reset(server, thread * share..(thread + 1) * share));
        }
    });
    says(&mut good, "fetch", "fetching");
    expect(&mut good, "DONE");
    wait_until("all descriptors are closed", || {
        descriptors(&server) <= before
    });
    // The state daemon has removed them, too: their sources may use all their connections.
    for number in (0..400).step_by(40) {
        let clients = (0..PLACES).map(|_| server.served(attacker(number)));
        assert_eq!(clients.collect::<Vec<_>>().len(), PLACES);
    }
    assert_eq!(server.installation.children(FRONTD), workers);
    assert_eq!(server.installation.children(STATED), state);
    for daemon in [FRONTD, STATED] {
        let log = server.installation.file(&format!("{daemon}.log"));
        let bytes = fs::metadata(log).unwrap().len();
        assert!(bytes < 4 << 20, "{daemon} has logged {bytes} bytes");
    }
}

#[test]
fn early_reset_never_reaches_state_daemon() {
    let server = Server::start(&[("CHAT_WORKERS", "1"), ("CHAT_MAX_ADDRESS_CONNECTIONS", "2")]);
    let mut good = server.log_in(source(2), "windows", "withglass");
    let worker = server.installation.children(FRONTD)[0];
    let worker = Pid::from_raw(worker.pid);
    kill(worker, Signal::SIGSTOP).unwrap();
    for _ in 0..20 {
        let connection = Connection::open(server.address(), Some(source(9))).unwrap();
        connection.reset().unwrap();
    }
    kill(worker, Signal::SIGCONT).unwrap();
    says(&mut good, "fetch", "fetching");
    expect(&mut good, "DONE");
    // They arrive at the same listener in this order, so a served client came after them.
    let _served = server.served(source(9));
    let mut refused = server.security_lines(STATED);
    refused.retain(|line| !line.contains("event=login "));
    assert_eq!(refused, Vec::<String>::new());
}
