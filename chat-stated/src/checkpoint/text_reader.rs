//! Reading texts of messages in a thread of its own, so that the loop does not wait for the disk.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use super::CheckpointReader;
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

/// Takes what was read. Called from the reader's own thread; must not block.
pub type TextSink = Box<dyn FnMut(TextEvent) + Send>;

/// The thread. It does not bound its requests: the caller bounds what is under way.
#[derive(Debug)]
pub struct TextReader {
    requests: Option<Sender<(u64, Vec<TextPlace>)>>,
    thread: Option<JoinHandle<()>>,
}

impl TextReader {
    /// Starts the thread. What was read goes to `sink`.
    pub fn start(reader: CheckpointReader, sink: TextSink) -> io::Result<Self> {
        let (requests, receiver) = channel();
        let thread = Builder::new()
            .name("texts".into())
            .spawn(move || serve(&reader, &receiver, sink))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    /// Has texts read.
    pub fn read(&mut self, ticket: u64, places: Vec<TextPlace>) {
        // The thread only ends before this one after it has told its sink that it failed.
        if let Some(requests) = &self.requests {
            let _ = requests.send((ticket, places));
        }
    }
}

impl Drop for TextReader {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread that reads texts has panicked");
        }
    }
}

fn serve(
    reader: &CheckpointReader,
    requests: &Receiver<(u64, Vec<TextPlace>)>,
    mut sink: TextSink,
) {
    while let Ok((ticket, places)) = requests.recv() {
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
