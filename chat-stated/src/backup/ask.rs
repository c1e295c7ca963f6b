//! Asking the running daemon how far it has come.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use chat_rpc::{
    FrameReader, FrameWriter, OPERATOR_VERSION, OperatorError, OperatorHello, Standing,
};

/// A daemon that is just starting again answers when it has recovered its state.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks the daemon that listens on a socket; waits for one that is starting.
pub fn ask(socket: &Path) -> anyhow::Result<Standing> {
    let shown = socket.display();
    let stream = UnixStream::connect(socket).with_context(|| {
        format!("no state daemon listens on {shown} (is it running? see scripts/status)")
    })?;
    let payload = exchange_in_time(stream).with_context(|| {
        format!("the state daemon on {shown} gave no answer (see scripts/status and its log)")
    })?;
    match Standing::decode(&payload) {
        Ok(standing) => Ok(standing),
        Err(OperatorError::Version(version)) => bail!(
            "the state daemon on {shown} answers in version {version}, this program knows version {OPERATOR_VERSION}: \
             use the chat-stated that is running"
        ),
        Err(error) => bail!("the state daemon on {shown} gave an answer that is none: {error}"),
    }
}

fn exchange_in_time(stream: UnixStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(stream)
}

fn exchange(mut stream: impl Read + Write) -> io::Result<Vec<u8>> {
    let mut question = FrameWriter::default();
    question.push_frame(&OperatorHello.encode());
    stream.write_all(question.pending())?;
    let mut reader = FrameReader::default();
    loop {
        let frame = reader.next_frame();
        if let Some(payload) = frame.map_err(io::Error::other)? {
            return Ok(payload.to_vec());
        }
        match reader.read_from(&mut stream) {
            Ok(0) => {
                let what = "it closed the connection; it may be of a version that knows no backups";
                return Err(io::Error::other(what));
            }
            // To be stopped and to go on interrupts a read that has a time limit.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A daemon's answer in pieces; `None` is a signal that interrupts the reading of the next one.
    struct Pieces(VecDeque<Option<Vec<u8>>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop_front() {
                Some(Some(piece)) => {
                    buffer[..piece.len()].copy_from_slice(&piece);
                    Ok(piece.len())
                }
                Some(None) => Err(io::ErrorKind::Interrupted.into()),
                None => Ok(0),
            }
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn interrupted_wait_continues() {
        let mut answer = FrameWriter::default();
        answer.push_frame(b"standing");
        let (start, end) = answer.pending().split_at(6);
        let pieces = [None, Some(start.to_vec()), None, None, Some(end.to_vec())];
        assert_eq!(exchange(Pieces(pieces.into())).unwrap(), b"standing");
    }

    #[test]
    fn end_without_answer_is_error() {
        let error = exchange(Pieces([None].into())).unwrap_err();
        assert!(error.to_string().contains("it closed the connection"));
    }
}
