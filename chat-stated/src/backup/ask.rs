//! Asking the running daemon how far it has come.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use chat_shared::rpc::{
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
    let payload = exchange(stream).with_context(|| {
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

fn exchange(mut stream: UnixStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = FrameWriter::default();
    question.push_frame(&OperatorHello.encode());
    stream.write_all(question.pending())?;
    let mut reader = FrameReader::default();
    loop {
        let frame = reader.next_frame();
        if let Some(payload) = frame.map_err(io::Error::other)? {
            return Ok(payload.to_vec());
        }
        if reader.read_from(&mut stream)? == 0 {
            let what = "it closed the connection; it may be of a version that knows no backups";
            return Err(io::Error::other(what));
        }
    }
}
