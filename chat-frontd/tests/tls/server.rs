//! A server with TLS, and its clients.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ALL_VERSIONS, ClientConfig};

use crate::certificate::{Certificate, SERVER_NAME};
use crate::connection::{Connection, Received};
use crate::installation::{FRONTD, Installation, PATIENCE, STATED, wait_until};
use crate::processes;

const ACCOUNTS: &str = "foobar,53649f6e45138ef119c955d04bf042562f6e2946\n\
                        windows,3cbf2c628de96e8e46ab4e44d4ddf2c4d1eccddb\n";

/// An installation, by default with TLS only.
pub(super) struct Server {
    pub(super) installation: Installation,
    pub(super) certificate: Certificate,
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) fn start(flags: &[&str]) -> Self {
        let mut installation = Installation::new();
        installation.listen = "none".to_owned();
        fs::create_dir(&installation.run_dir).unwrap();
        fs::write(installation.file("user_pass.txt"), ACCOUNTS).unwrap();
        let certificate = Certificate::make(&installation.run_dir);
        installation.program(STATED, &["--detach"]).expect_status(0);
        let files = files(&certificate);
        let given = ["--detach", "--listen-tls=127.0.0.1:0", &files[0], &files[1]];
        let flags = [&given[..], flags].concat();
        installation.program(FRONTD, &flags).expect_status(0);
        let address = installation.address();
        Self {
            address: address.strip_suffix(" tls").unwrap().parse().unwrap(),
            installation,
            certificate,
        }
    }

    pub(super) fn connect_with(&self, config: &Arc<ClientConfig>) -> Result<Connection, String> {
        Connection::open(self.address, None)?.with_tls(config, SERVER_NAME)
    }

    pub(super) fn connect(&self) -> Connection {
        let config = self.certificate.client(ALL_VERSIONS);
        self.connect_with(&config).unwrap()
    }

    pub(super) fn log_in(&self, name: &str, password: &str) -> Connection {
        let mut client = self.connect();
        log_in(&mut client, name, password);
        client
    }

    /// Logs in a user whose earlier connection may still be open.
    pub(super) fn log_in_again(&self, name: &str, password: &str) -> Connection {
        processes::wait_for("the user is offline", || {
            let mut client = self.connect();
            client.send(format!("{name}\n").as_bytes()).unwrap();
            if client.receive() != Received::Line(b"password".to_vec()) {
                return None;
            }
            client.send(format!("{password}\n").as_bytes()).unwrap();
            expect(&mut client, "welcome");
            Some(client)
        })
        .unwrap()
    }

    pub(super) fn serves(&self) {
        ask(&mut self.connect());
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.installation.file("chat-frontd.log")).unwrap()
    }

    #[track_caller]
    pub(super) fn wait_for_log(&self, text: &str) {
        wait_until(text, || self.log().contains(text));
    }
}

pub(super) fn files(certificate: &Certificate) -> [String; 2] {
    let Certificate {
        certificate_file,
        key_file,
        ..
    } = certificate;
    [
        format!("--tls-cert={}", certificate_file.display()),
        format!("--tls-key={}", key_file.display()),
    ]
}

pub(super) fn log_in(client: &mut Connection, name: &str, password: &str) {
    let lines = format!("{name}\n{password}\n");
    client.send(lines.as_bytes()).unwrap();
    for line in ["password", "welcome"] {
        expect(client, line);
    }
}

/// Expects an answer to a new client.
pub(super) fn ask(client: &mut Connection) {
    client.send(b"nobody-yet\n").unwrap();
    expect(client, "register");
    client.send(b"n\n").unwrap();
    expect(client, "username");
}

#[track_caller]
pub(super) fn expect(client: &mut Connection, line: &str) {
    assert_eq!(client.receive(), Received::Line(line.into()));
}

#[track_caller]
pub(super) fn expect_message(client: &mut Connection, text: &str) {
    match client.receive() {
        Received::Line(line) => {
            let line = String::from_utf8(line).unwrap();
            assert!(line.ends_with(text), "{line} in the place of {text}");
        }
        other => panic!("{other:?} in the place of {text}"),
    }
}

/// Sends only these bytes. Returns whether the server then closes.
pub(super) fn is_hung_up_on(address: SocketAddr, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset counts as a close, too.
    match stream.read_to_end(&mut answer) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
