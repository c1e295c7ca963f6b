//! Frames and what is in them: whatever the bytes, reading ends; what was read is written and read again the same.

use chat_rpc::{
    FrameError, FrameReader, FrameWriter, FromWorker, Greeting, Hello, MAX_FRAME_BYTES, ToWorker,
    decode_items,
};

use crate::choices::Choices;

/// Length of the pieces; then the stream.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let piece_bytes = usize::from(choices.byte()).max(1);
    let stream = choices.rest();
    let mut reader = FrameReader::default();
    let mut writer = FrameWriter::default();
    let mut frames = 0;
    for piece in stream.chunks(piece_bytes) {
        reader.extend(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(payload)) => {
                    assert!((1..=MAX_FRAME_BYTES).contains(&payload.len()));
                    writer.push_frame(payload);
                    frames += payload.len() + 4;
                    check_payload(payload);
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error, FrameError::TooLong(_) | FrameError::Empty));
                    assert_eq!(writer.pending(), &stream[..frames]);
                    return;
                }
            }
        }
    }
    assert_eq!(writer.pending(), &stream[..frames]);
    assert_eq!(reader.is_mid_frame(), frames < stream.len());
    check_payload(stream);
}

fn check_payload(payload: &[u8]) {
    check_from_worker(payload);
    check_to_worker(payload);
    if let Ok(hello) = Hello::decode(payload) {
        assert_eq!(Hello::decode(&encoded(hello.encode())), Ok(hello));
    }
    if let Ok(greeting) = Greeting::decode(payload) {
        let again = encoded(greeting.encode());
        assert_eq!(Greeting::decode(&again), Ok(greeting));
    }
}

fn encoded(payload: Result<Vec<u8>, FrameError>) -> Vec<u8> {
    match payload {
        Ok(payload) => payload,
        Err(error) => panic!("what was read cannot be written: {error}"),
    }
}

fn check_from_worker(payload: &[u8]) {
    let items: Vec<_> = decode_items::<FromWorker<'_>>(payload)
        .map_while(Result::ok)
        .collect();
    let mut writer = FrameWriter::default();
    for item in &items {
        assert_eq!(writer.push(item), Ok(()));
    }
    let again = payload_of(&mut writer);
    let read: Vec<_> = decode_items::<FromWorker<'_>>(&again)
        .map_while(Result::ok)
        .collect();
    assert_eq!(read, items);
}

fn check_to_worker(payload: &[u8]) {
    let items: Vec<_> = decode_items::<ToWorker<'_>>(payload)
        .map_while(Result::ok)
        .collect();
    let mut writer = FrameWriter::default();
    for item in &items {
        assert_eq!(writer.push(item), Ok(()));
    }
    let again = payload_of(&mut writer);
    let read: Vec<_> = decode_items::<ToWorker<'_>>(&again)
        .map_while(Result::ok)
        .collect();
    assert_eq!(read, items);
}

/// The payloads of all frames behind one another.
fn payload_of(writer: &mut FrameWriter) -> Vec<u8> {
    let mut reader = FrameReader::default();
    reader.extend(writer.pending());
    let mut payloads = Vec::new();
    while let Ok(Some(payload)) = reader.next_frame() {
        payloads.extend_from_slice(payload);
    }
    assert!(!reader.is_mid_frame());
    payloads
}
