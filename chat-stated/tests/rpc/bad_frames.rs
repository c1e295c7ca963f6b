//! A worker that sends what cannot be read is cut off, and its clients with it; nobody else notices.

use chat_model::{NameList, Outcome};
use chat_rpc::{FrameWriter, FromWorker, MAX_FRAME_BYTES};

use super::daemon::Daemon;
use super::worker::{Client, Worker, send};

/// Logs ann in, lets her worker misbehave, and looks at what is left.
fn is_cut_off(misbehave: impl FnOnce(&mut Worker, &mut Client)) {
    let daemon = Daemon::with_accounts(&["ann", "bob"]);
    let mut other = Worker::attach(&daemon);
    let mut bob = other.log_in("bob");
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    assert_eq!(other.look_up("ann"), Outcome::AlreadyLoggedIn);
    misbehave(&mut worker, &mut ann);
    while worker.next_item().is_some() {}
    other.wait_for_answer("ann", &Outcome::PasswordNeeded);
    assert_eq!(other.who(&mut bob), "bob");
}

#[test]
fn frame_that_announces_more_than_limit() {
    is_cut_off(|worker, _| {
        let length = u32::try_from(MAX_FRAME_BYTES + 1).unwrap();
        worker.link.write(&length.to_le_bytes());
    });
}

#[test]
fn empty_frame() {
    is_cut_off(|worker, _| worker.link.write(&[0; 4]));
}

#[test]
fn frame_of_garbage() {
    is_cut_off(|worker, _| worker.link.write_frame(&[0xff; 100]));
}

#[test]
fn half_frame_and_end() {
    is_cut_off(|worker, ann| {
        let mut frame = FrameWriter::default();
        let request = ann.request(send("bob", "half"));
        frame.push(&FromWorker::Request(request)).unwrap();
        let bytes = frame.pending();
        worker.link.write(&bytes[..bytes.len() - 1]);
        worker.link.end_of_input();
    });
}

#[test]
fn garbage_behind_items() {
    is_cut_off(|worker, ann| {
        let mut frame = FrameWriter::default();
        let request = ann.request(send("bob", "whole"));
        frame.push(&FromWorker::Request(request)).unwrap();
        let mut payload = frame.pending()[4..].to_vec();
        payload.extend([0xff; 9]);
        worker.link.write_frame(&payload);
    });
}

#[test]
fn items_that_are_no_items_of_workers() {
    is_cut_off(|worker, _| {
        // Five kinds of items there are; this would be the sixth.
        worker.link.write_frame(&[5, 0, 0, 0]);
    });
}

#[test]
fn large_frame_within_limit_is_read_whole() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    let mut ann = worker.log_in("ann");
    let mut payload = Vec::new();
    let text = "x".repeat(64 * 1024);
    for _ in 0..40 {
        let mut frame = FrameWriter::default();
        let request = ann.request(send("nobody", &text));
        frame.push(&FromWorker::Request(request)).unwrap();
        payload.extend_from_slice(&frame.pending()[4..]);
    }
    worker.link.write_frame(&payload);
    for _ in 0..40 {
        let unknown = NameList::one("nobody");
        assert_eq!(worker.next_reply().answer, Outcome::Stored { unknown });
    }
}
