//! The status file: whatever is in it, it is read or not; what was read is written in lines of its own, and read again.

use chat_node::control::status_file::Status;

/// Keys and values.
pub const WORDS: &[&[u8]] = &[
    b"pid=",
    b"boot_id=",
    b"since=2026-11-22T11:18:31Z\n",
    b"phase=serving\n",
    b"phase=waiting\n",
    b"address.1=",
    b"address.2=127.0.0.1:4119\n",
    b"child.1.phase=serving\n",
    b"child.1.since=2026-11-22T11:18:31Z\n",
    b"child.1.restarts=0\n",
    b"child.1.pid=",
    b"child.1.start_ticks=",
    b"child.1.last_end=",
    b"child.1.last_end_at=-009999-01-02T01:59:59Z\n",
    b"child.1.next_start=9999-12-30T22:00:00Z\n",
    b"child.2.",
    b"18446744073709551615",
    b"-1",
];

/// The file.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Some(status) = Status::parse(text) else {
        return;
    };
    let written = status.render();
    assert!(written.lines().all(|line| !line.contains(char::is_control)));
    // Control characters of values were written out; everything else is as it was.
    let Some(again) = Status::parse(&written) else {
        panic!("what was written cannot be read:\n{written}");
    };
    assert_eq!(again.render(), written);
    assert_eq!(again.children.len(), status.children.len());
    assert_eq!(again.addresses.len(), status.addresses.len());
}
