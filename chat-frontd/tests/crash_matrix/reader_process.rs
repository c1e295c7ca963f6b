//! A reader that is a process of its own and can be killed with -9: this test program, started again. It does what its
//! test orders, one step at a time, so that the test knows how far the reader was when it died.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, raise};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::certificate::{SERVER_NAME, client_that_trusts};
use crate::connection::{Connection, Received};
use crate::installation::wait_until;
use crate::server::Server;

/// Where the process connects.
const SERVER: &str = "CHAT_TEST_READER_SERVER";
/// The file of the certificate that it trusts; without it the connection is plain.
const CERTIFICATE: &str = "CHAT_TEST_READER_CERTIFICATE";
/// What every report begins with.
const DONE: &str = "done ";

/// The parent's side. Each order returns when the process has followed it.
pub(crate) struct ReaderProcess {
    child: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStderr>,
}

impl ReaderProcess {
    /// Starts one and has it connect.
    pub(crate) fn start(server: &Server) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["reader_process::follow_orders", "--exact", "--ignored"])
            .arg("--nocapture")
            .env(SERVER, server.address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(certificate) = &server.certificate {
            command.env(CERTIFICATE, &certificate.certificate_file);
        }
        let mut child = command.spawn().unwrap();
        Self {
            orders: child.stdin.take().unwrap(),
            reports: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut report = String::new();
        self.reports.read_line(&mut report).unwrap();
        let report = report.strip_suffix('\n').unwrap_or(&report);
        let result = report.strip_prefix(DONE);
        let result = result.unwrap_or_else(|| panic!("the reader failed at {order:?}: {report}"));
        result.to_owned()
    }

    /// Sends a line.
    pub(crate) fn say(&mut self, line: &str) {
        self.order(&format!("say {line}"));
    }

    /// Reads a line. What came with it is read from the socket too.
    pub(crate) fn read_line(&mut self) -> String {
        self.order("read-line")
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) {
        assert_eq!(self.read_line(), line);
    }

    /// Reads so many bytes from the socket and no more.
    pub(crate) fn read_bytes(&mut self, count: usize) {
        self.order(&format!("read-bytes {count}"));
    }

    /// Waits until so many bytes lie unread in its kernel.
    pub(crate) fn await_bytes(&mut self, count: usize) {
        self.order(&format!("await-bytes {count}"));
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        expect_killed(self.child.wait().unwrap());
    }

    /// Has it send a line and kill itself with -9 before it does anything else.
    pub(crate) fn say_and_die(mut self, line: &str) {
        writeln!(self.orders, "say-and-die {line}").unwrap();
        expect_killed(self.child.wait().unwrap());
    }
}

impl Drop for ReaderProcess {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn expect_killed(status: ExitStatus) {
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{status}");
}

/// The process itself. Its reports go to the standard error, because the test harness writes to the standard output.
#[test]
#[ignore = "other tests start it as a process of its own"]
fn follow_orders() {
    let Ok(server) = std::env::var(SERVER) else {
        return;
    };
    let mut connection = connect(server.parse().unwrap());
    for order in std::io::stdin().lines().map_while(Result::ok) {
        let (verb, rest) = order.split_once(' ').unwrap_or((&order, ""));
        let mut report = String::new();
        match verb {
            "say" => say(&mut connection, rest),
            "say-and-die" => {
                say(&mut connection, rest);
                raise(Signal::SIGKILL).unwrap();
            }
            "read-line" => match connection.receive() {
                Received::Line(line) => report = String::from_utf8(line).unwrap(),
                other => panic!("{other}"),
            },
            "read-bytes" => {
                let mut bytes = vec![0; rest.parse().unwrap()];
                let mut socket: &TcpStream = connection.stream();
                socket.read_exact(&mut bytes).unwrap();
            }
            "await-bytes" => {
                let mut bytes = vec![0; rest.parse().unwrap()];
                wait_until("the bytes have come", || {
                    connection.stream().peek(&mut bytes).unwrap() == bytes.len()
                });
            }
            _ => panic!("{order:?} is no order"),
        }
        // One write, so that a death never leaves half a report.
        let report = format!("{DONE}{report}\n");
        std::io::stderr().write_all(report.as_bytes()).unwrap();
    }
}

fn connect(server: SocketAddr) -> Connection {
    let connection = Connection::open(server, None).unwrap();
    let Some(file) = std::env::var_os(CERTIFICATE) else {
        return connection;
    };
    let certificate = CertificateDer::from_pem_slice(&fs::read(file).unwrap()).unwrap();
    let config = client_that_trusts(certificate, rustls::ALL_VERSIONS);
    connection.with_tls(&config, SERVER_NAME).unwrap()
}

fn say(connection: &mut Connection, line: &str) {
    connection.send(format!("{line}\n").as_bytes()).unwrap();
}
