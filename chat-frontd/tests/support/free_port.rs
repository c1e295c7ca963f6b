//! Ports for servers of tests.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port nobody listens at. It lies below those that the system gives to outgoing connections, which other
/// tests make all the time, and stays free through a restart of the installation.
pub(crate) fn free_port() -> Result<SocketAddr, String> {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(61) % u32::from(COUNT);
    for _ in 0..1_000 {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset =
            u16::try_from((begin + step) % u32::from(COUNT)).map_err(|error| error.to_string())?;
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST + offset));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("a thousand ports are all in use".to_owned())
}
