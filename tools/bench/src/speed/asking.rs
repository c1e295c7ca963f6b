//! What every client of a crowd asks, and is answered, before something is measured.

use std::ops::Range;

use anyhow::bail;

use super::hearing::Hearing;
use super::traffic::{Traffic, flow_until};
use crate::crowd::Crowd;

/// Clients that wait for their answers at the same time.
const AT_ONCE: usize = 200;

/// Has clients of ours that are logged in say lines, so many each. Returns the answer to the last line of each client,
/// without its end. A refusal is an error.
pub fn ask_all(
    crowd: &mut Crowd,
    clients: Range<usize>,
    lines_each: usize,
    lines: impl Fn(usize) -> String,
) -> anyhow::Result<Vec<String>> {
    let mut asking = Asking {
        lines,
        lines_each,
        first: clients.start,
        next: clients.start,
        answers: vec![(0, String::new()); clients.len()],
        answered: 0,
    };
    flow_until(&mut asking, crowd, |asking| {
        asking.answered == clients.len()
    })?;
    let answers = asking.answers.into_iter();
    Ok(answers.map(|(_, answer)| answer).collect())
}

struct Asking<Lines> {
    lines: Lines,
    lines_each: usize,
    first: usize,
    /// Who asks next.
    next: usize,
    /// Of each client: how many answers have come, and the last.
    answers: Vec<(usize, String)>,
    /// Clients that have all their answers.
    answered: usize,
}

impl<Lines: Fn(usize) -> String> Traffic for Asking<Lines> {
    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()> {
        let end = self.first + self.answers.len().min(self.answered + AT_ONCE);
        while self.next < end {
            let Some(output) = crowd.output(self.next) else {
                bail!("client {} is not there", self.next);
            };
            output.extend_from_slice((self.lines)(self.next).as_bytes());
            self.next += 1;
        }
        Ok(())
    }

    fn done(&self) -> u64 {
        self.answered as u64
    }
}

impl<Lines> Hearing for Asking<Lines> {
    fn line(&mut self, client: usize, line: &[u8], _: &mut Vec<u8>) -> anyhow::Result<()> {
        let (count, answer) = &mut self.answers[client - self.first];
        match line {
            b"DONE" => {
                *count += 1;
                self.answered += usize::from(*count == self.lines_each);
            }
            _ if line.starts_with(b"error:") => {
                bail!(
                    "client {client} was told {:?}",
                    String::from_utf8_lossy(line)
                )
            }
            _ => *answer = String::from_utf8_lossy(line).into_owned(),
        }
        Ok(())
    }
}
