//! A client of the state daemon's socket that is no worker, while the workers serve.

use std::io::Write;
use std::os::unix::net::UnixStream;

use chat_node::control::status_file::Phase;
use nix::sys::signal::Signal;

use crate::descriptors::{MAY_BE_LIMITED, limit_descriptors};
use crate::installation::{FRONTD, STATED, kill, wait_until};
use crate::one_worker::expect_rest_of;
use crate::server::{Server, expect, says, source};

fn knock(server: &Server, bytes: &[u8]) -> UnixStream {
    let path = server.installation.file("chat-stated.sock");
    let mut stream = UnixStream::connect(path).unwrap();
    // The connection may be closed at once.
    let _ = stream.write_all(bytes);
    stream
}

/// Expects that a killed worker is replaced and both serve, which needs a new link to the state daemon.
fn replace_a_worker(server: &Server) {
    let old = server.installation.children(FRONTD)[0];
    kill(old, Signal::SIGKILL);
    wait_until("another worker that serves", || {
        let children = server.installation.children(FRONTD);
        children.len() == 2 && !children.contains(&old) && {
            let status = server.installation.status(FRONTD).unwrap();
            let mut children = status.children.iter();
            children.all(|child| child.phase == Phase::Serving)
        }
    });
}

#[test]
fn bad_frames_disturb_no_worker() {
    let server = Server::start(&[]);
    let mut good = server.log_in(source(2), "foobar", "passpass");
    let workers = server.installation.children(FRONTD);
    let state = server.installation.children(STATED);
    let mut held = Vec::new();
    for round in 0..100 {
        for bytes in [
            &b""[..],
            b"GET / HTTP/1.1\r\n\r\n",
            &[0; 100],
            &[255; 5_000],
            // Lengths of 4 GiB and of 15 MiB, followed by few bytes.
            &[255, 255, 255, 255, 1],
            &[0, 0, 240, 0, 1, 2, 3],
            &[17, 0, 0, 0, b'c', b'h'],
        ] {
            held.push(knock(&server, bytes));
            drop(knock(&server, bytes));
        }
        if round % 10 == 0 {
            says(&mut good, "send foobar hi", "sent:");
            good.receive();
            expect(&mut good, "DONE");
            drop(server.served(source(3)));
        }
    }
    assert_eq!(server.installation.children(FRONTD), workers);
    replace_a_worker(&server);
    assert_eq!(server.installation.children(STATED), state);
    assert!(!server.installation.log(FRONTD).contains("is away"));
    drop(held);
    drop(server.served(source(3)));
}

#[test]
fn state_daemon_survives_lack_of_descriptors() {
    let server = Server::start(&[MAY_BE_LIMITED]);
    let state = server.installation.children(STATED)[0];
    let mut good = server.log_in(source(2), "foobar", "passpass");
    limit_descriptors(state, 10);
    let held: Vec<_> = (0..18).map(|_| knock(&server, b"")).collect();
    says(&mut good, "fetch", "fetching");
    expect(&mut good, "DONE");
    expect_rest_of(state);
    // Silent connections are closed, so descriptors become free without another connection.
    replace_a_worker(&server);
    drop(held);
    drop(server.served(source(3)));
    let log = server.installation.log(STATED);
    let lines = log.matches("cannot accept a worker").count();
    assert!((1..50).contains(&lines), "{lines} lines of it");
}
