//! What comes back, counted without looking at every byte: deliveries of one length, and answers of one form.

use anyhow::bail;

use super::dialect::Dialect;

/// Counts the messages that one reader gets. They all have the same length, which the first one tells.
#[derive(Clone, Debug)]
pub struct Deliveries {
    dialect: Dialect,
    /// With its end; 0 until the first came.
    line_bytes: usize,
}

impl Deliveries {
    /// None came yet.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            line_bytes: 0,
        }
    }

    /// How many messages these whole lines bring. What the server asks besides is answered.
    pub fn count(&mut self, mut lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<u64> {
        let first = match self.dialect {
            Dialect::Chatserv => b'[',
            Dialect::Irc | Dialect::AcknowledgedIrc => b':',
        };
        let mut count = 0;
        while !lines.is_empty() {
            let is_next = self.line_bytes > 0
                && lines.len() >= self.line_bytes
                && lines[0] == first
                && lines[self.line_bytes - 1] == b'\n';
            if is_next {
                count += 1;
                lines = &lines[self.line_bytes..];
                continue;
            }
            let end = memchr::memchr(b'\n', lines).unwrap_or(lines.len() - 1);
            let line = &lines[..end];
            if self.dialect.is_delivery(line) {
                self.line_bytes = end + 1;
                count += 1;
            } else if let Some(pong) = self.dialect.pong(line) {
                output.extend_from_slice(&pong);
            } else if !self.dialect.may_say(line) {
                bail!("a reader got {:?}", String::from_utf8_lossy(line));
            }
            lines = &lines[end + 1..];
        }
        Ok(count)
    }
}

/// Counts what a server answers to a sender, whose messages are all taken.
#[derive(Clone, Debug)]
pub struct Answers {
    dialect: Dialect,
    /// How much of the answer that is coming has come.
    phase: usize,
}

impl Answers {
    /// None came yet.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, phase: 0 }
    }

    /// How many messages these lines say are taken. The end of an answer may come later.
    pub fn count(&mut self, mut lines: &[u8], output: &mut Vec<u8>) -> anyhow::Result<u64> {
        let taken = self.dialect.taken();
        if taken.is_empty() {
            // Nothing but what a server says to anybody.
            Deliveries::new(self.dialect).count(lines, output)?;
            return Ok(0);
        }
        let mut count = 0;
        while !lines.is_empty() {
            let expected = &taken[self.phase..];
            let bytes = expected.len().min(lines.len());
            if lines[..bytes] != expected[..bytes] {
                let line = lines.split(|byte| *byte == b'\n').next();
                let line = String::from_utf8_lossy(line.unwrap_or_default());
                bail!("a message was answered with {line:?}");
            }
            // An answer counts with its first line: then the message is taken.
            count += u64::from(self.phase == 0);
            self.phase = (self.phase + bytes) % taken.len();
            lines = &lines[bytes..];
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_and_pings_answered() {
        let mut output = Vec::new();
        let mut count = |dialect, lines: &[&str]| {
            let mut deliveries = Deliveries::new(dialect);
            let counts = lines
                .iter()
                .map(|lines| deliveries.count(lines.as_bytes(), &mut output).unwrap());
            counts.collect::<Vec<_>>()
        };
        assert_eq!(
            count(Dialect::Chatserv, &["[t] a: b\n[t] a: c\n", "[t] a: d\n"]),
            [2, 1]
        );
        let irc = [
            ":a JOIN #b\r\n:a PRIVMSG b :c\r\n",
            "PING x\r\n:a PRIVMSG b :d\r\n",
        ];
        assert_eq!(count(Dialect::Irc, &irc), [1, 1]);
        assert_eq!(output, b"PONG x\r\n");
    }

    #[test]
    fn split_answers_and_refusals_are_handled() {
        let mut answers = Answers::new(Dialect::Chatserv);
        let output = &mut Vec::new();
        assert_eq!(answers.count(b"sent:\n", output).unwrap(), 1);
        assert_eq!(
            answers
                .count(b"DONE\nsent:\nDONE\nsent:\n", output)
                .unwrap(),
            2
        );
        assert_eq!(answers.count(b"DONE\n", output).unwrap(), 0);
        let mut pongs = Answers::new(Dialect::AcknowledgedIrc);
        let pong = b":bench.example.net PONG bench.example.net :t\r\n";
        assert_eq!(pongs.count(&pong.repeat(3), output).unwrap(), 3);
        let error = answers
            .count(b"error:quota:send\nDONE\n", output)
            .unwrap_err();
        assert!(error.to_string().contains("error:quota:send"), "{error}");
    }
}
