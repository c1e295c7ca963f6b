use super::*;
use crate::supervisor::child_link::ChildLink;
use std::io::Read;

/// All bytes of an outbox.
fn sent(outbox: &mut Outbox) -> Vec<u8> {
    let (mut stream, mut child) = UnixStream::pair().unwrap();
    outbox.write_to(&mut stream).unwrap();
    drop(stream);
    let mut bytes = Vec::new();
    child.read_to_end(&mut bytes).unwrap();
    bytes
}

fn configuration_of(message: ParentMessage) -> Vec<u8> {
    match message {
        ParentMessage::Configuration(configuration) => configuration.to_vec(),
        other => panic!("no configuration: {other:?}"),
    }
}

#[test]
fn question_arrives_between_configurations() {
    let mut outbox = Outbox::default();
    let (mut stream, child) = UnixStream::pair().unwrap();
    outbox.ask(7, &Question::Ping);
    outbox.put(b"keys");
    assert!(outbox.is_asked(7) && !outbox.is_asked(8));
    outbox.write_to(&mut stream).unwrap();
    assert!(!outbox.has_unsent());
    drop(stream);
    let mut inbox = Inbox::default();
    let error = inbox.read(&child).unwrap_err();
    assert!(matches!(error, ParentError::Gone), "{error}");
    let configuration = inbox.next_message().unwrap().unwrap();
    assert_eq!(configuration_of(configuration), b"keys");
    let message = inbox.next_message().unwrap();
    let Some(ParentMessage::Question { ticket, question }) = message else {
        panic!("no question: {message:?}");
    };
    assert_eq!((ticket, question), (7, Question::Ping));
    assert!(inbox.next_message().unwrap().is_none());
}

#[test]
fn log_file_arrives_with_its_message() {
    let (mut stream, child) = UnixStream::pair().unwrap();
    child.set_nonblocking(true).unwrap();
    let mut inbox = Inbox::default();
    let mut outbox = Outbox::default();
    outbox.put(b"keys");
    outbox.write_to(&mut stream).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    outbox.put_log_file(tempfile::tempfile().unwrap().into());
    outbox.put_log_file(file.try_clone().unwrap().into());
    outbox.ask(1, &Question::Ping);
    outbox.write_to(&mut stream).unwrap();
    inbox.read(&child).unwrap();
    let configuration = inbox.next_message().unwrap().unwrap();
    assert_eq!(configuration_of(configuration), b"keys");
    let message = inbox.next_message().unwrap();
    let Some(ParentMessage::LogFile(Some(received))) = message else {
        panic!("no log file: {message:?}");
    };
    std::fs::File::from(received).write_all(b"line").unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    assert_eq!(std::io::read_to_string(&file).unwrap(), "line");
    let message = inbox.next_message().unwrap();
    assert!(matches!(message, Some(ParentMessage::Question { .. })));
}

#[test]
fn settings_arrive_after_configuration() {
    let mut outbox = Outbox::default();
    outbox.put_settings("old");
    outbox.put_settings("new");
    outbox.put(b"keys");
    let mut inbox = Inbox::default();
    inbox.take(&sent(&mut outbox));
    let configuration = inbox.next_message().unwrap().unwrap();
    assert_eq!(configuration_of(configuration), b"keys");
    let message = inbox.next_message().unwrap();
    assert!(matches!(&message, Some(ParentMessage::Settings(text)) if text == "new"));
    assert!(inbox.next_message().unwrap().is_none());
}

#[test]
fn message_of_unknown_kind_is_refused() {
    for frame in [&[0, 0, 0, 0][..], &[1, 0, 0, 0, 9], &[2, 0, 0, 0, 1, b'x']] {
        let mut inbox = Inbox::default();
        inbox.take(frame);
        let error = inbox.next_message().unwrap_err();
        assert!(matches!(error, ParentError::NoMessage(_)), "{error}");
    }
}

#[test]
fn newest_waiting_configuration_wins() {
    let (mut link, mut child) = ChildLink::pair().unwrap();
    child.set_nonblocking(true).unwrap();
    let mut inbox = Inbox::default();
    let mut got = Vec::new();
    // More than the pair holds, so that the second and third have to wait.
    let long = vec![7; MAX_CONFIGURATION_BYTES];
    link.push_configuration(&long);
    link.flush();
    assert!(link.has_unsent());
    link.push_configuration(b"second");
    link.push_configuration(b"third");
    let mut buffer = [0; 10_000];
    while got.len() < 2 {
        link.flush();
        if let Ok(bytes) = child.read(&mut buffer) {
            inbox.take(&buffer[..bytes]);
        }
        while let Some(message) = inbox.next_message().unwrap() {
            got.push(configuration_of(message));
        }
    }
    assert!(!link.has_unsent());
    assert!(got[0] == long);
    assert_eq!(got[1], b"third");
}

#[test]
fn configurations_arrive_byte_by_byte() {
    let mut outbox = Outbox::default();
    outbox.put(b"");
    let mut stream = sent(&mut outbox);
    outbox.put(b"keys");
    stream.extend(sent(&mut outbox));
    let mut inbox = Inbox::default();
    let mut got = Vec::new();
    for byte in stream {
        assert!(inbox.next_message().unwrap().is_none());
        inbox.take(&[byte]);
        got.extend(inbox.next_message().unwrap().map(configuration_of));
    }
    assert_eq!(got, [b"".to_vec(), b"keys".to_vec()]);
}

#[test]
fn excessive_length_is_refused_at_once() {
    let mut inbox = Inbox::default();
    inbox.take(&[255; 4]);
    let error = inbox.next_message().unwrap_err();
    assert!(matches!(error, ParentError::TooLong(u32::MAX)), "{error}");
}
