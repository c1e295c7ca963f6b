//! `chat-client` is killed with -9 while nobody reads its output. What it could not write comes again.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::installation::{bin_dir, wait_until};
use crate::scene::Scene;
use crate::server::Server;

/// Messages that wait. They are larger than the output pipe, and fit into the memory of the client.
const MESSAGES: usize = 5;
const TEXT_BYTES: usize = 2_000;
/// The smallest pipe there is.
const PIPE_BYTES: i32 = 4_096;

fn text(number: usize) -> String {
    format!("m{number}{}", ".".repeat(TEXT_BYTES))
}

/// `commands` follow name and password on the client's standard input, which stays open.
fn try_with(scene: &mut Scene, flags: &[&str], commands: &str) {
    let texts: Vec<_> = (1..=MESSAGES).map(text).collect();
    scene.send(&texts);
    let address = scene.server.address;
    let mut client = start(address, flags);
    let mut input = client.stdin.take().unwrap();
    let mut output = client.stdout.take().unwrap();
    fcntl(&output, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).unwrap();
    let lines = format!("bob\nsecret\n{commands}");
    input.write_all(lines.as_bytes()).unwrap();
    wait_until("the client writes", || {
        let mut polled = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).unwrap() == 1
    });
    wait_until("the client has read all that was sent", || {
        is_everything_read(address)
    });
    client.kill().unwrap();
    client.wait().unwrap();

    let mut written = String::new();
    output.read_to_string(&mut written).unwrap();
    let is_message = |line: &&str| line.starts_with('[') && line.ends_with('\n');
    let written = written.split_inclusive('\n').filter(is_message).count();
    let came_again = scene.drain_queue();
    let confirmed = MESSAGES - came_again.len();
    assert!(came_again == texts[confirmed..], "out of order");
    assert!(
        confirmed <= written,
        "{confirmed} messages were confirmed, of which {written} were written ({commands:?})"
    );
}

/// Whether nothing lies in the kernel between the server at this address and its clients.
fn is_everything_read(server: SocketAddr) -> bool {
    let IpAddr::V4(ip) = server.ip() else {
        panic!("{server} is not of IPv4");
    };
    let server = format!(
        "{:08X}:{:04X}",
        u32::from_ne_bytes(ip.octets()),
        server.port()
    );
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let queues = table.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ends = [fields.next()?, fields.next()?];
        ends.contains(&&server[..]).then(|| fields.nth(1))?
    });
    queues
        .into_iter()
        .all(|queues| queues == "00000000:00000000")
}

fn start(address: SocketAddr, flags: &[&str]) -> Child {
    Command::new(bin_dir().join("chat-client"))
        .args(flags)
        .args([address.ip().to_string(), address.port().to_string()])
        .env_remove("CHAT_TLS")
        .env_remove("CHAT_CA")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Without commands, and with commands that could be sent before what came at the login is written.
fn try_all(mut scene: Scene, flags: &[&str]) {
    for commands in ["", "who\nwho\n"] {
        try_with(&mut scene, flags, commands);
    }
}

#[test]
fn plain() {
    try_all(Scene::open(Server::start()), &[]);
}

#[test]
fn tls() {
    let scene = Scene::open(Server::start_with_tls());
    let certificate = scene.server.certificate.as_ref().unwrap();
    let ca = certificate.certificate_file.display().to_string();
    try_all(scene, &["--tls", "--ca", &ca]);
}
