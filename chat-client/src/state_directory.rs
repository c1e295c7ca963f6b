//! Where the client keeps what must outlive a run: `chat-client` in the directory of the user's state.

use std::ffi::OsString;
use std::path::PathBuf;

/// Why there is no such directory.
pub(crate) const NO_DIRECTORY: &str = "neither XDG_STATE_HOME nor HOME is set";

/// The directory of this kind for a server, if the environment says where the state of programs is. What belongs to a
/// server with TLS stands apart.
pub(crate) fn of_server(kind: &str, host: &str, port: u16, tls: bool) -> Option<PathBuf> {
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|path| path.is_absolute());
    let state =
        state.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    let tls = if tls { "+tls" } else { "" };
    let server = format!("{}:{port}{tls}", file_name(host));
    state.map(|state| state.join("chat-client").join(kind).join(server))
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A name as that of a file: what has a meaning in paths is written as `%` and two digits.
pub(crate) fn file_name(name: &str) -> String {
    let mut file_name = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let is_plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && at > 0);
        if is_plain {
            file_name.push(char::from(byte));
        } else {
            file_name.push_str(&format!("%{byte:02x}"));
        }
    }
    file_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_paths() {
        assert_eq!(file_name("ann.b_c-1"), "ann.b_c-1");
        assert_eq!(file_name("../a b"), "%2e.%2fa%20b");
        assert_eq!(file_name("::1"), "%3a%3a1");
        assert_eq!(file_name("é"), "%c3%a9");
    }
}
