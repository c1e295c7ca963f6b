//! What the tests with a real `chat-stated` share: a worker of the front end.

// No test uses all of it.
#![allow(dead_code)]

pub(crate) mod worker;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// The password of every account, unless a test says otherwise.
pub(crate) const PASSWORD: &[u8] = b"password";

/// A daemon that workers can connect to.
pub(crate) trait Served {
    /// Where they connect.
    fn socket_path(&self) -> PathBuf;
}

/// Looks again and again until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
