//! Those in a crowd of whom one thing gone wrong ends the measurement.

use std::time::Duration;

use anyhow::bail;

use crate::crowd::{Audience, Closed, Crowd};

/// What a measurement does with what its clients hear. The first error ends it.
pub trait Hearing {
    /// A connection is made.
    fn opened(&mut self, _client: usize, _output: &mut Vec<u8>) {}

    /// A line came, without its end. For those who take lines one by one.
    fn line(&mut self, _client: usize, _line: &[u8], _output: &mut Vec<u8>) -> anyhow::Result<()> {
        Ok(())
    }

    /// Whole lines came at once, with their ends.
    fn lines(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut rest = lines;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line(client, &rest[..end], output)?;
            rest = &rest[end + 1..];
        }
        Ok(())
    }

    /// A connection is gone.
    fn closed(&mut self, client: usize, how: Closed) -> anyhow::Result<()> {
        bail!("client {client} was cut off: {how:?}")
    }
}

/// A turn of the crowd; fails with the first thing that went wrong.
pub fn turn(
    crowd: &mut Crowd,
    timeout: Duration,
    hearing: &mut impl Hearing,
) -> anyhow::Result<()> {
    let mut ears = Ears {
        hearing,
        result: Ok(()),
    };
    crowd.turn(timeout, &mut ears)?;
    ears.result
}

struct Ears<'a, H> {
    hearing: &'a mut H,
    result: anyhow::Result<()>,
}

impl<H> Ears<'_, H> {
    fn note(&mut self, result: anyhow::Result<()>) {
        if self.result.is_ok() {
            self.result = result;
        }
    }
}

impl<H: Hearing> Audience for Ears<'_, H> {
    fn opened(&mut self, client: usize, output: &mut Vec<u8>) {
        self.hearing.opened(client, output);
    }

    fn line(&mut self, client: usize, line: &[u8], output: &mut Vec<u8>) {
        let result = self.hearing.line(client, line, output);
        self.note(result);
    }

    fn lines(&mut self, client: usize, lines: &[u8], output: &mut Vec<u8>) {
        let result = self.hearing.lines(client, lines, output);
        self.note(result);
    }

    fn closed(&mut self, client: usize, how: Closed) {
        let result = self.hearing.closed(client, how);
        self.note(result);
    }
}
