//! A worker whose daemon says whatever it likes: the worker may end, and nothing worse.

use chat_model::{ConnectionSerial, StreamOffset, WorkerSessionId};
use chat_rpc::{FrameReader, FrameWriter, FromWorker, Greeting, ResumeToken, decode_items};

use super::items::push_to_worker;
use super::observed_client::Worker;
use crate::choices::Choices;

/// What happens, one after the other.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut worker = Worker::new();
    let mut asked = Asked::default();
    while !choices.is_over() {
        let mut said = FrameWriter::default();
        match choices.below(12) {
            0 => worker.connect(),
            1 | 2 => worker.say(&mut choices),
            3 => worker.read(&mut choices),
            4 => worker.acknowledge(&mut choices),
            5 => worker.end(&mut choices),
            6 => worker.now_ms += u64::from(choices.byte()) * 50,
            7 => match choices.flip() {
                true => {
                    asked = Asked::default();
                    if worker.core.daemon_connected().is_err() {
                        return;
                    }
                }
                false => worker.core.daemon_lost(),
            },
            8 => greet(&mut said),
            9 => said.push_frame(choices.some()),
            10 => {
                let bytes = choices.some();
                if !hear(&mut worker, bytes) {
                    return;
                }
            }
            _ => {
                let question = match choices.flip() {
                    true => asked.questions.pop(),
                    false => None,
                };
                push_to_worker(&mut choices, &asked.known, question, &mut said);
            }
        }
        if !hear(&mut worker, said.pending()) {
            return;
        }
        worker.turn();
        asked.read(worker.core.link_output());
    }
    worker.core.stop();
    worker.turn();
}

fn greet(said: &mut FrameWriter) {
    let credential = ResumeToken {
        worker_session: WorkerSessionId(1),
        secret: [1; 16],
    };
    if let Ok(greeting) = Greeting::Attached(credential).encode() {
        said.push_frame(&greeting);
    }
}

/// Whether the worker goes on.
fn hear(worker: &mut Worker, bytes: &[u8]) -> bool {
    bytes.is_empty() || worker.core.daemon_received(bytes).is_ok()
}

/// What the worker asked on this connection.
#[derive(Default)]
struct Asked {
    reader: FrameReader,
    has_hello: bool,
    known: Vec<ConnectionSerial>,
    questions: Vec<(ConnectionSerial, StreamOffset)>,
}

impl Asked {
    fn read(&mut self, output: &mut FrameWriter) {
        let pending = output.pending().to_vec();
        output.advance(pending.len());
        self.reader.extend(&pending);
        while let Ok(Some(payload)) = self.reader.next_frame() {
            if !std::mem::replace(&mut self.has_hello, true) {
                continue;
            }
            for item in decode_items::<FromWorker<'_>>(payload) {
                match item {
                    Ok(FromWorker::Request(request)) => {
                        self.questions.push((request.connection, request.offset));
                    }
                    Ok(FromWorker::ClientConnected { connection, .. }) => {
                        self.known.push(connection)
                    }
                    Ok(_) => {}
                    Err(error) => panic!("the worker wrote what cannot be read: {error}"),
                }
            }
        }
    }
}
