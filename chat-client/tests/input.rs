//! What the client reads as people save it: its input, its password file, variables that are set to nothing.

// Each test is a program of its own, and uses another part of it.
#[allow(dead_code)]
mod support;

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use support::{FakeServer, Run, client, dialogue, run_with_input};

const LOGIN: &str = "> bob\n < password\n > pw\n < welcome\n < DONE\n";
const LOGOUT: &str = "> logout\n < goodbye\n ! end\n";

fn run(steps: &str, input: &[u8]) -> Run {
    let server = FakeServer::play(dialogue(steps), false);
    let mut command = client();
    command.args(["127.0.0.1", &server.address.port().to_string()]);
    let run = run_with_input(command, input);
    server.finish();
    run
}

fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn input_with_byte_order_mark_and_crlf() {
    let run = run(
        &format!("{LOGIN}{LOGOUT}"),
        b"\xef\xbb\xbfbob\r\npw\r\nlogout\r\n",
    );
    assert_eq!(run.status, Some(0), "{run:?}");
}

#[test]
fn utf16_input_is_refused() {
    let marked = utf16("bob\npw\n");
    for input in [&marked[..], &marked[2..]] {
        let run = run("! broken", input);
        assert_eq!(run.status, Some(1), "{run:?}");
        assert!(run.stderr.contains("it is UTF-16 text"), "{run:?}");
    }
}

#[test]
fn input_with_cr_alone_shows_no_password() {
    let run = run("! broken", b"bob\rpw\rlogout\r");
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("end in CR;"), "{run:?}");
    assert!(!run.stderr.contains("pw"), "{run:?}");
}

#[test]
fn tabs_are_text() {
    let message = "[2026-11-22T11:18:31Z] eve: a\tb";
    let run = run(
        &format!("{LOGIN}> send eve \ta\tb\n < sent:\n < {message}\n < DONE\n{LOGOUT}"),
        b"bob\npw\nsend eve \ta\tb\nlogout\n",
    );
    assert_eq!(run.status, Some(0), "{run:?}");
    assert_eq!(run.stdout, format!("{message}\n"));
}

#[test]
fn password_files_as_people_save_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("password");
    let attempt = |content: &[u8], steps: &str| {
        fs::write(&file, content).expect("a file");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a file");
        let server = FakeServer::play(dialogue(steps), false);
        let mut command = client();
        command.arg("--password-file").arg(&file);
        command.args(["127.0.0.1", &server.address.port().to_string()]);
        let run = run_with_input(command, b"bob\nlogout\n");
        // If it did not come to a connection.
        drop(TcpStream::connect(server.address));
        server.finish();
        run
    };
    let steps = format!("{LOGIN}{LOGOUT}");
    for content in [
        &b"pw"[..],
        b"pw\n",
        b"pw\r\n",
        b"pw\rnot this\r",
        b"\xef\xbb\xbfpw\r\nnot this\r\n",
    ] {
        assert_eq!(attempt(content, &steps).status, Some(0), "{content:?}");
    }
    // Blanks are part of a password; the dialogue is read without those at the end of a line.
    let blanks = steps.replace("> pw", ">  pw");
    assert_eq!(attempt(b" pw\n", &blanks).status, Some(0));
    for content in [
        &utf16("pw\n")[..],
        &utf16("pw\n")[2..],
        b"\n",
        b"\xef\xbb\xbf\n",
        b"",
    ] {
        let run = attempt(content, "! end");
        assert_eq!(run.status, Some(1), "{content:?}: {run:?}");
        assert!(run.stderr.contains("password"), "{run:?}");
    }
}

#[test]
fn empty_variable_counts_as_unset() {
    let server = FakeServer::play(dialogue(&format!("{LOGIN}{LOGOUT}")), false);
    let mut command = client();
    for name in [
        "CHAT_HOST",
        "CHAT_PORT",
        "CHAT_TLS",
        "CHAT_CA",
        "CHAT_NO_PUSH",
        "CHAT_PASSWORD_FILE",
        "CHAT_CONNECT_TIMEOUT",
        "CHAT_ANSWER_TIMEOUT",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "TERM",
        "TZ",
    ] {
        command.env(name, "");
    }
    command.args(["127.0.0.1", &server.address.port().to_string()]);
    let run = run_with_input(command, b"bob\npw\nlogout\n");
    assert_eq!(run.status, Some(0), "{run:?}");
    server.finish();
}
