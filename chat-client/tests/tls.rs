//! The client over TLS: whom it trusts, what it says when it does not, and how it leaves.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::{PATIENCE, Run, client, run_with_input};

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A server for one connection, with a certificate for these names; how its dialogue ended, its thread tells.
struct Server {
    address: SocketAddr,
    dir: tempfile::TempDir,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(
        names: &[&str],
        serve: impl FnOnce(Stream) -> std::io::Result<()> + Send + 'static,
    ) -> Server {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("ca.pem"), made.cert.pem()).expect("a file");
        Server::with(made.cert, made.signing_key, dir, serve)
    }

    /// Its certificate is in `own.pem`, that of its CA in `ca.pem`.
    fn issued_by_a_ca(
        name: &str,
        serve: impl FnOnce(Stream) -> std::io::Result<()> + Send + 'static,
    ) -> Server {
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new([]).expect("a CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "a CA");
        let ca_certificate = ca.self_signed(&ca_key).expect("a CA");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let own = params
            .signed_by(&key, &Issuer::new(ca, ca_key))
            .expect("a certificate");
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("ca.pem"), ca_certificate.pem()).expect("a file");
        fs::write(dir.path().join("own.pem"), own.pem()).expect("a file");
        Server::with(own, key, dir, serve)
    }

    fn with(
        certificate: Certificate,
        key: KeyPair,
        dir: tempfile::TempDir,
        serve: impl FnOnce(Stream) -> std::io::Result<()> + Send + 'static,
    ) -> Server {
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("certificate and key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let connection =
                ServerConnection::new(Arc::new(config)).map_err(std::io::Error::other)?;
            serve(StreamOwned::new(connection, stream))
        });
        Server {
            address,
            dir,
            thread,
        }
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Runs the client against it, by this name.
    fn run(self, host: &str, flags: &[&str], input: &str) -> (Run, std::io::Result<()>) {
        let mut command = client();
        command.args(["--tls", host]);
        command.arg(self.address.port().to_string()).args(flags);
        let run = run_with_input(command, input.as_bytes());
        (run, self.thread.join().expect("a thread"))
    }
}

/// Plays the server of a login and a logout, and waits for its close_notify.
fn dialogue(stream: Stream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    for (expected, answer) in [
        ("bob", "password\n"),
        ("pw", "welcome\n[2026-11-22T11:18:31Z] eve: hi\nDONE\n"),
        ("logout", "goodbye\n"),
    ] {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        assert_eq!(line, format!("{expected}\n"));
        reader.get_mut().write_all(answer.as_bytes())?;
    }
    let stream = reader.get_mut();
    stream.conn.send_close_notify();
    stream.flush()?;
    // An end without the client's close_notify is an error here.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    assert_eq!(rest, b"");
    Ok(())
}

#[test]
fn ca_file_may_have_any_line_ends() {
    let good = |pem: &str| -> Vec<Vec<u8>> {
        vec![
            [b"\xef\xbb\xbf", pem.as_bytes()].concat(),
            pem.replace('\n', "\r\n").into(),
            pem.replace('\n', "\r").into(),
            pem.replace('\n', " \n").into(),
        ]
    };
    for number in 0..4 {
        let server = Server::start(&["localhost"], dialogue);
        let ca = server.ca();
        let pem = fs::read_to_string(&ca).expect("a file");
        fs::write(&ca, &good(&pem)[number]).expect("a file");
        let flags = ["--ca", ca.to_str().expect("a path")];
        let (run, ended) = server.run("localhost", &flags, "bob\npw\nlogout\n");
        assert_eq!(run.status, Some(0), "{number}: {run:?}");
        ended.expect("the client sends close_notify");
    }
}

#[test]
fn system_file_is_read_like_ca_file() {
    let server = Server::start(&["localhost"], dialogue);
    let ca = server.ca();
    let pem = fs::read(&ca).expect("a file");
    fs::write(&ca, [b"\xef\xbb\xbf", &pem[..]].concat()).expect("a file");
    let run = |file: &Path| {
        let mut command = client();
        command.args(["--tls", "localhost", &server.address.port().to_string()]);
        command.env("SSL_CERT_FILE", file);
        run_with_input(command, b"bob\npw\nlogout\n")
    };
    let none = run(Path::new("/nowhere/ca.pem"));
    assert_eq!(none.status, Some(1), "{none:?}");
    assert!(none.stderr.contains("/nowhere/ca.pem"), "{none:?}");
    assert_eq!(run(&ca).status, Some(0));
    let ended = server.thread.join().expect("a thread");
    ended.expect("the client sends close_notify");
}

#[test]
fn damaged_ca_file_is_refused() {
    let server = Server::start(&["localhost"], nothing);
    let ca = server.ca();
    let pem = fs::read_to_string(&ca).expect("a file");
    let other_form = pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    let utf16: Vec<u8> = pem.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (content, words) in [
        ([&other_form, &*pem].concat().into_bytes(), "only 1 of 2"),
        (format!("{pem}x{pem}").into_bytes(), "only 1 of 2"),
        (
            pem.replacen('M', "!", 1).into_bytes(),
            "cannot read the certificates",
        ),
        (utf16, "it is UTF-16 text"),
    ] {
        fs::write(&ca, content).expect("a file");
        let mut command = client();
        command.args(["--tls", "localhost", &server.address.port().to_string()]);
        command.arg("--ca").arg(&ca);
        let run = run_with_input(command, b"bob\npw\n");
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(run.stderr.contains(words), "{run:?}");
    }
}

#[test]
fn own_certificate_as_ca_gets_advice() {
    let server = Server::issued_by_a_ca("localhost", nothing);
    let own = server.dir.path().join("own.pem");
    let flags = ["--ca", own.to_str().expect("a path")];
    let (run, ended) = server.run("localhost", &flags, "bob\npw\n");
    assert!(ended.is_err() && run.status == Some(1), "{run:?}");
    for words in ["the CA that issued it", "only if it is self-signed"] {
        assert!(run.stderr.contains(words), "{run:?}");
    }
    let server = Server::issued_by_a_ca("localhost", dialogue);
    let ca = server.ca();
    let flags = ["--ca", ca.to_str().expect("a path")];
    let (run, _) = server.run("localhost", &flags, "bob\npw\nlogout\n");
    assert_eq!(run.status, Some(0), "that does help: {run:?}");
}

/// Never gets so far.
fn nothing(mut stream: Stream) -> std::io::Result<()> {
    stream.read(&mut [0]).map(|_| ())
}

#[test]
fn valid_server_gets_close_notify() {
    for (host, names) in [
        ("localhost", &["chat.example", "localhost"][..]),
        ("127.0.0.1", &["127.0.0.1"]),
    ] {
        let server = Server::start(names, dialogue);
        let ca = server.ca();
        let flags = ["--ca", ca.to_str().expect("a path")];
        let (run, ended) = server.run(host, &flags, "bob\npw\nlogout\n");
        ended.expect("the client sends close_notify");
        assert_eq!(run.status, Some(0), "{run:?}");
        assert_eq!(run.stdout, "[2026-11-22T11:18:31Z] eve: hi\n");
    }
}

/// A shell does it with control-Z and `fg`.
#[test]
fn stopped_client_continues_handshake() {
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let server = Server::start(&["localhost"], move |stream| {
        stream.sock.peek(&mut [0])?;
        begun.send(()).expect("a test");
        may_go_on.recv_timeout(PATIENCE).expect("a cue");
        dialogue(stream)
    });
    let ca = server.ca();
    let mut command = client();
    command
        .args(["--tls", "localhost", &server.address.port().to_string()])
        .arg("--ca")
        .arg(ca)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut client = command.spawn().expect("the client");
    let mut stdin = client.stdin.take().expect("a pipe");
    stdin.write_all(b"bob\npw\nlogout\n").expect("input");
    drop(stdin);
    has_begun.recv_timeout(PATIENCE).expect("a handshake");
    // More often than it takes to come to the waiting.
    for _ in 0..30 {
        for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
            thread::sleep(Duration::from_millis(15));
            kill(Pid::from_raw(client.id().cast_signed()), signal).expect("a process");
        }
    }
    go_on.send(()).expect("a server");
    let run: Run = client.wait_with_output().expect("an end").into();
    assert_eq!(run.status, Some(0), "{run:?}");
    let ended = server.thread.join().expect("a thread");
    ended.expect("the client sends close_notify");
}

#[test]
fn server_with_wrong_name_is_refused() {
    let server = Server::start(&["chat.example", "other.example"], nothing);
    let ca = server.ca();
    let flags = ["--ca", ca.to_str().expect("a path")];
    let (run, ended) = server.run("localhost", &flags, "bob\npw\n");
    assert!(ended.is_err(), "the handshake fails");
    assert_eq!(run.status, Some(1));
    assert_eq!(
        run.stderr,
        "chat-client: no TLS with localhost: the certificate is for chat.example, other.example, not for localhost\n"
    );
}

#[test]
fn unknown_issuer_is_not_trusted() {
    let server = Server::start(&["localhost"], nothing);
    let other = Server::start(&["localhost"], nothing);
    let ca = other.ca();
    let flags = ["--ca", ca.to_str().expect("a path")];
    let (run, ended) = server.run("localhost", &flags, "bob\npw\n");
    assert!(ended.is_err() && run.status == Some(1), "{run:?}");
    assert!(
        run.stderr.contains("is not trusted") && run.stderr.contains("--ca FILE"),
        "{run:?}"
    );
    // So that its thread ends.
    drop(TcpStream::connect(other.address));
}

#[test]
fn plain_server_and_bad_files_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let plain = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.write_all(b"username\n").expect("a client");
        let _ = stream.read(&mut [0; 1024]);
    });
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(&["localhost"], nothing);
    let ca = server.ca();
    let run = |flags: &[&str]| {
        let mut command = client();
        command.args(["localhost", &port]).args(flags);
        run_with_input(command, b"")
    };
    let said = run(&["--tls", "--ca", ca.to_str().expect("a path")]);
    assert!(
        said.stderr.contains("does not speak TLS on this port"),
        "{said:?}"
    );
    plain.join().expect("the server");
    drop(TcpStream::connect(server.address));

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").expect("a file");
    let run = |flags: &[&str]| {
        let mut command = client();
        command.args(["localhost", &port]).args(flags);
        run_with_input(command, b"")
    };
    let said = run(&["--tls", "--ca", empty.to_str().expect("a path")]);
    assert!(
        said.stderr.contains("there is no certificate in"),
        "{said:?}"
    );
    let said = run(&["--tls", "--ca", "/nowhere/ca.pem"]);
    assert!(
        said.stderr
            .contains("cannot read the certificates in /nowhere"),
        "{said:?}"
    );
    let said = run(&["--ca", "/nowhere/ca.pem"]);
    assert!(said.stderr.contains("--ca requires --tls"), "{said:?}");
}

#[test]
fn plain_client_is_hinted_at_tls() {
    let server = Server::start(&["localhost"], |mut stream| {
        // What no handshake begins with is answered by an alert.
        let read = stream.read(&mut [0; 1024]);
        assert!(read.is_err(), "{read:?}");
        Ok(())
    });
    let mut command = client();
    command.args(["localhost", &server.address.port().to_string()]);
    let run = run_with_input(command, b"bob\npw\n");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("try --tls"), "{run:?}");
    server.thread.join().expect("a thread").expect("a client");

    // One whose code is that of a line end, and none at all.
    for alert in [&b"\x15\x03\x03\x00\x02\x02\x0a"[..], b""] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(alert).expect("a client");
        });
        let mut command = client();
        command.args(["localhost", &port.to_string()]);
        let run = run_with_input(command, b"bob\npw\n");
        server.join().expect("a server");
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(run.stderr.contains("try --tls"), "{run:?}");
    }

    // A server that has spoken plainly does not speak TLS.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream);
        reader.read_line(&mut String::new()).expect("a name");
        let stream = reader.get_mut();
        stream.write_all(b"password\n").expect("a client");
    });
    let mut command = client();
    command.args(["localhost", &port.to_string()]);
    let run = run_with_input(command, b"bob\npw\n");
    server.join().expect("a server");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(!run.stderr.contains("--tls"), "{run:?}");
}

#[test]
fn truncated_tls_is_a_lost_connection() {
    let server = Server::start(&["localhost"], |mut stream| {
        let mut byte = [0];
        while byte != *b"\n" {
            stream.read_exact(&mut byte)?;
        }
        stream.write_all(b"password\n")?;
        // The end of the stream, without the end of TLS.
        stream.sock.shutdown(std::net::Shutdown::Write)?;
        let _ = stream.sock.read(&mut [0; 1024]);
        Ok(())
    });
    let ca = server.ca();
    let flags = ["--ca", ca.to_str().expect("a path")];
    let (run, _) = server.run("localhost", &flags, "bob\npw\n");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("cut off"), "{run:?}");
}
