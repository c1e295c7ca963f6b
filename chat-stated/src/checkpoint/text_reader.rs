//! The I/O thread that reads texts of messages from the checkpoint.

use std::io;
use std::sync::mpsc::Receiver;

use super::CheckpointReader;
use crate::io_thread::{CompletionSink, IoThread};
use crate::text_page::{ReadTexts, TextPlace};

/// What comes of texts that were to be read.
#[derive(Debug)]
pub enum TextEvent {
    /// They were read; those that were found right are there.
    Read {
        /// Names the request.
        ticket: u64,
        /// Those that are in the checkpoint that was current when they were read.
        texts: ReadTexts,
    },
    /// They cannot be read, or more is damaged than pages of texts. The process has to end.
    Failed {
        /// What was tried and what went wrong, for people.
        error: String,
    },
}

/// Texts to read. The thread has no bound for them: the sender bounds what is in flight.
#[derive(Debug)]
pub struct TextRequest {
    /// Names the request.
    pub ticket: u64,
    /// Where the texts are.
    pub places: Vec<TextPlace>,
}

/// Starts the I/O thread. What it reads goes to `sink`.
pub fn start_text_reader(
    reader: CheckpointReader,
    sink: CompletionSink<TextEvent>,
) -> io::Result<IoThread<TextRequest>> {
    IoThread::start("texts", move |requests| serve(&reader, &requests, sink))
}

fn serve(
    reader: &CheckpointReader,
    requests: &Receiver<TextRequest>,
    mut sink: CompletionSink<TextEvent>,
) {
    while let Ok(TextRequest { ticket, places }) = requests.recv() {
        match reader.read_whole_texts(&places) {
            Ok(texts) => sink(TextEvent::Read { ticket, texts }),
            Err(error) => {
                reader.database().note_failure(&error);
                let error = error.to_string();
                return sink(TextEvent::Failed { error });
            }
        }
    }
}
