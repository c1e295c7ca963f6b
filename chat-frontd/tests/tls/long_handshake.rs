//! A handshake that goes on and on.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::installation::PATIENCE;
use crate::server::Server;

#[test]
fn oversized_handshake_is_cut_off() {
    let server = Server::start(&["--workers=1", "--handshake-time-out=600"]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A client's hello that announces nearly 64 KiB, in records of 16 KiB.
    let mut hello = vec![0; 0x4000];
    hello[..6].copy_from_slice(&[1, 0, 0xff, 0, 3, 3]);
    for payload in [hello, vec![0; 0x4000], vec![0; 0x4000]] {
        // The connection may be closed by then.
        let _ = stream.write_all(&[&[22, 3, 1, 0x40, 0][..], &payload].concat());
    }
    let end = stream.read(&mut [0]);
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    server.wait_for_log("it has more than 32768 bytes");
    server.serves();
}
