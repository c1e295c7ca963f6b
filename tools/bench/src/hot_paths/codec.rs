//! Requests between worker and daemon.

use std::hint::black_box;

use anyhow::Context;
use chat_model::{Audience, ConnectionSerial, NameList, Progress, Request, StreamOffset};
use chat_rpc::{FrameReader, FrameWriter, FromWorker, RequestItem, decode_items};

use super::{BATCH, text};

fn push_batch(frames: &mut FrameWriter, text: &str, round: u64) -> anyhow::Result<()> {
    for number in 0..BATCH {
        let offset = StreamOffset((round * BATCH + number) * 75);
        let request = Request::Send {
            audience: Audience::Accounts(NameList::one("somebody")),
            text: text.into(),
        };
        frames.push(&FromWorker::Request(RequestItem {
            connection: ConnectionSerial(number),
            offset,
            answered: offset,
            progress: Progress::default(),
            request,
        }))?;
    }
    Ok(())
}

pub(super) fn encode_requests(rounds: u64) -> anyhow::Result<()> {
    let (text, mut frames) = (text(), FrameWriter::default());
    for round in 0..rounds {
        push_batch(&mut frames, black_box(&text), round)?;
        let bytes = black_box(frames.pending()).len();
        frames.advance(bytes);
    }
    Ok(())
}

pub(super) fn decode_requests(rounds: u64) -> anyhow::Result<()> {
    let mut frames = FrameWriter::default();
    push_batch(&mut frames, &text(), 0)?;
    let bytes = frames.pending().to_vec();
    let mut reader = FrameReader::default();
    for _ in 0..rounds {
        reader.extend(black_box(&bytes));
        let payload = reader.next_frame()?.context("a frame is whole")?;
        for item in decode_items::<FromWorker<'_>>(payload) {
            black_box(item?);
        }
    }
    Ok(())
}
