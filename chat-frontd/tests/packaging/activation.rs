//! Socket activation, by the tool of systemd that does it without a running systemd.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::free_port::free_port;
use crate::has_tool;
use crate::installation::{FRONTD, Installation, PATIENCE, STATED, bin_dir, wait_until};

/// Has the front end of `installation` started by the first connection to `address`. Returns that connection, too.
fn activate(
    installation: &Installation,
    address: SocketAddr,
    setting: SocketAddr,
) -> (Child, TcpStream) {
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg(format!("--listen={address}"))
        .arg(format!("--setenv=CHAT_LISTEN={setting}"))
        .arg(format!(
            "--setenv=CHAT_RUN_DIR={}",
            installation.run_dir.display()
        ))
        .arg("--setenv=CHAT_WORKERS=1")
        .arg(bin_dir().join(FRONTD))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let mut connection = None;
    wait_until("somebody listens", || {
        connection = TcpStream::connect(address).ok();
        connection.is_some()
    });
    (child, connection.unwrap())
}

#[test]
fn activated_socket_serves_first_client() {
    if !has_tool("systemd-socket-activate", "systemd") {
        return;
    }
    let installation = Installation::new();
    installation.program(STATED, &["--detach"]).expect_status(0);
    let address = free_port().unwrap();
    let (mut front_end, mut client) = activate(&installation, address, address);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"nobody-yet\n").unwrap();
    let mut answer = String::new();
    BufReader::new(client).read_line(&mut answer).unwrap();
    assert_eq!(answer, "register\n");
    let pid = Pid::from_raw(front_end.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(front_end.wait().unwrap().code(), Some(0));
}

#[test]
fn socket_without_setting_is_refused() {
    if !has_tool("systemd-socket-activate", "systemd") {
        return;
    }
    let installation = Installation::new();
    installation.program(STATED, &["--detach"]).expect_status(0);
    let address = free_port().unwrap();
    let (front_end, _client) = activate(&installation, address, free_port().unwrap());
    let output = front_end.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!("the service manager listens on {address}, which no setting names");
    assert!(said.contains(&expected), "{said}");
}
