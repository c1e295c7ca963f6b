//! Passwords that came over TLS leave no trace in memory.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use nix::unistd::geteuid;
use rustls::{ALL_VERSIONS, ClientConnection, StreamOwned};

use crate::certificate::SERVER_NAME;
use crate::installation::{FRONTD, PATIENCE, STATED, wait_until};
use crate::process_memory::places_in_memory;
use crate::server::{Server, ask};

const PASSWORD: &str = "zebra-Quartz-48151623-unlikely";
const WRONG: &str = "walrus-Quartz-48151623-unlikely";

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(server: &Server) -> BufReader<Stream> {
    let config = server.certificate.client(ALL_VERSIONS);
    let name = SERVER_NAME.try_into().unwrap();
    let tls = ClientConnection::new(config, name).unwrap();
    let socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    BufReader::new(StreamOwned::new(tls, socket))
}

/// Sends lines in one record, which reaches the server in two parts, and expects these answers.
fn say(client: &mut BufReader<Stream>, lines: &str, answers: &[&str]) {
    let Stream { conn: tls, sock } = client.get_mut();
    while tls.is_handshaking() {
        tls.complete_io(sock).unwrap();
    }
    tls.writer().write_all(lines.as_bytes()).unwrap();
    let mut record = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut record).unwrap();
    }
    let (head, tail) = record.split_at(record.len() / 2);
    sock.write_all(head).unwrap();
    thread::sleep(Duration::from_millis(20));
    sock.write_all(tail).unwrap();
    for answer in answers {
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), *answer);
    }
}

#[test]
fn tls_password_stays_in_no_memory() {
    // Only root can look.
    if !geteuid().is_root() {
        return;
    }
    let server = Server::start(&["--workers=1"]);
    let mut client = connect(&server);
    say(&mut client, "bob\ny\n", &["register", "password"]);
    let twice = format!("{PASSWORD}\n{PASSWORD}\n");
    say(&mut client, &twice, &["registered"]);
    say(&mut client, "bob\n", &["password"]);
    say(&mut client, &format!("{WRONG}\n"), &["password"]);
    say(&mut client, &format!("{PASSWORD}\n"), &["welcome", "DONE"]);
    // One that leaves in the middle of it.
    let mut gone = connect(&server);
    say(&mut gone, &format!("bob\n{WRONG}"), &["connected"]);
    drop(gone);
    for daemon in [STATED, FRONTD] {
        for process in server.installation.children(daemon) {
            for secret in [PASSWORD, WRONG] {
                let places = || places_in_memory(&process, secret.as_bytes());
                wait_until(&format!("{daemon} has wiped {secret}"), || {
                    places().is_empty()
                });
            }
        }
    }
    ask(&mut server.connect());
}
