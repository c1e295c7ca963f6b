//! Which process holds the server's end of a client's connection, as `/proc` tells.

use std::collections::HashMap;
use std::fs;

/// The client's port and the process, for each connection over IPv4 to `server_port` that one of `pids` has accepted.
pub fn socket_owners(server_port: u16, pids: &[i32]) -> HashMap<u16, i32> {
    let mut owner_of_inode = HashMap::new();
    for pid in pids {
        // A process that is gone holds nothing.
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Some(inode) = socket_inode(&descriptor.path()) {
                owner_of_inode.insert(inode, *pid);
            }
        }
    }
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let connections = table
        .lines()
        .filter_map(|line| connection_to(line, server_port));
    connections
        .filter_map(|(port, inode)| Some((port, *owner_of_inode.get(&inode)?)))
        .collect()
}

fn socket_inode(descriptor: &std::path::Path) -> Option<u64> {
    let target = fs::read_link(descriptor).ok()?;
    let inode = target.to_str()?.strip_prefix("socket:[")?;
    inode.strip_suffix(']')?.parse().ok()
}

/// Client's port and inode of an established connection in a line of `/proc/net/tcp`.
fn connection_to(line: &str, server_port: u16) -> Option<(u16, u64)> {
    const ESTABLISHED: &str = "01";
    let mut fields = line.split_ascii_whitespace().skip(1);
    let port = |address: &str| u16::from_str_radix(address.split_once(':')?.1, 16).ok();
    let (server, client) = (port(fields.next()?)?, port(fields.next()?)?);
    let is_meant = fields.next()? == ESTABLISHED && server == server_port;
    is_meant.then(|| Some((client, fields.nth(5)?.parse().ok()?)))?
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn accepted_connection_has_its_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = TcpStream::connect(server).unwrap();
        let port = client.local_addr().unwrap().port();
        let this = std::process::id().cast_signed();
        assert!(!socket_owners(server.port(), &[this]).contains_key(&port));
        let _accepted = listener.accept().unwrap();
        assert_eq!(
            socket_owners(server.port(), &[this, 1]).get(&port),
            Some(&this)
        );
        assert!(!socket_owners(server.port(), &[]).contains_key(&port));
    }
}
