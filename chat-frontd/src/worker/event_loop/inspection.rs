//! What an operator's tool sees of the clients, in pages.

use chat_node::control::protocol::{ClientRow, Page};

use crate::core::{ClientKey, Core};
use crate::worker::client_socket::ClientSocket;

/// Most rows of a page. In JSON a page takes less than half of what a parent reads of a child.
const MAX_ROWS: usize = 200;
/// Most places that are looked at for a page.
const MAX_LOOKED_AT: usize = 4_096;

/// Clients by key, from this one on. Sources are asked of the kernel where nobody else knows them: at most one call for
/// each row.
pub(super) fn clients_page(
    sockets: &[Option<ClientSocket>],
    core: &Core,
    from: ClientKey,
    now_ms: u64,
) -> Page<ClientRow, u32> {
    let mut rows = Vec::new();
    for key in (from..sockets.len()).take(MAX_LOOKED_AT) {
        if rows.len() == MAX_ROWS {
            let next = u32::try_from(key).ok();
            return Page { rows, next };
        }
        if let Some(socket) = &sockets[key]
            && let Some(seen) = core.inspect(key)
        {
            let peer = socket.stream.peer_addr().ok();
            let peer = peer.map(|peer| peer.ip().to_canonical());
            rows.push(ClientRow {
                connection: seen.serial.0,
                source: seen.source.or(peer),
                connected_s: (now_ms / 1_000).saturating_sub(socket.opened_s.into()),
                idle_s: now_ms.saturating_sub(seen.idle_since_ms) / 1_000,
                is_tls: socket.tls.is_some(),
            });
        }
    }
    let next = from + MAX_LOOKED_AT;
    let next = (next < sockets.len()).then(|| u32::try_from(next).ok());
    Page {
        rows,
        next: next.flatten(),
    }
}
