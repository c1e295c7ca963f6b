//! Cuts a stream of bytes into lines of bounded length.

/// A line, or the fact that one was too long to keep.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its LF, and without a CR before it.
    Whole(Vec<u8>),
    /// Longer than the limit; only its length in bytes, line end not counted, is known.
    TooLong(usize),
}

/// Takes bytes as they come and gives lines. Holds at most one limit's worth of an unfinished line besides
/// what was given and not yet taken.
pub struct LineSplitter {
    max_line_bytes: usize,
    given: Vec<u8>,
    taken: usize,
    unfinished: Vec<u8>,
    skipped_bytes: usize,
}

impl LineSplitter {
    /// Lines may have this many bytes, line end not counted.
    pub fn new(max_line_bytes: usize) -> LineSplitter {
        LineSplitter {
            max_line_bytes,
            given: Vec::new(),
            taken: 0,
            unfinished: Vec::new(),
            skipped_bytes: 0,
        }
    }

    /// Adds what was read. Lines are to be taken until there are none before more is given.
    pub fn give(&mut self, bytes: &[u8]) {
        self.given.drain(..self.taken);
        self.taken = 0;
        self.given.extend_from_slice(bytes);
    }

    /// The next whole line, if there is one.
    pub fn take(&mut self) -> Option<Line> {
        let rest = &self.given[self.taken..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let part = &rest[..end.unwrap_or(rest.len())];
        // One more than the limit is kept, as it may be the CR that is dropped.
        let room = (self.max_line_bytes + 1).saturating_sub(self.unfinished.len());
        let kept = part.len().min(room);
        self.unfinished.extend_from_slice(&part[..kept]);
        self.skipped_bytes += part.len() - kept;
        self.taken += part.len() + usize::from(end.is_some());
        end?;
        Some(self.finish())
    }

    /// Whether [`Self::take`] has a line.
    pub fn has_line(&self) -> bool {
        self.given[self.taken..].contains(&b'\n')
    }

    /// The unfinished line at the end of the stream, if there is one.
    pub fn take_rest(&mut self) -> Option<Line> {
        (!self.unfinished.is_empty()).then(|| self.finish())
    }

    fn finish(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.unfinished);
        let skipped_bytes = std::mem::take(&mut self.skipped_bytes);
        if skipped_bytes == 0 && line.last() == Some(&b'\r') {
            line.pop();
        }
        if skipped_bytes > 0 || line.len() > self.max_line_bytes {
            return Line::TooLong(line.len() + skipped_bytes);
        }
        Line::Whole(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<Line> {
        let mut splitter = LineSplitter::new(4);
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.give(piece);
            while let Some(line) = splitter.take() {
                lines.push(line);
            }
        }
        lines.extend(splitter.take_rest());
        lines
    }

    #[test]
    fn lines_are_cut_the_same_bytewise() {
        let stream = b"ab\r\n\nabcd\nabcd\r\nabcde\nabcdefgh\r\nx";
        let whole = split(&[stream]);
        let pieces: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(whole, split(&pieces));
        let text = |text: &str| Line::Whole(text.into());
        assert_eq!(
            whole,
            [
                text("ab"),
                text(""),
                text("abcd"),
                text("abcd"),
                Line::TooLong(5),
                Line::TooLong(9),
                text("x"),
            ]
        );
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut splitter = LineSplitter::new(4);
        for _ in 0..1000 {
            splitter.give(&[b'x'; 1000]);
            assert_eq!(splitter.take(), None);
        }
        assert!(splitter.unfinished.len() <= 6 && splitter.given.len() <= 1000);
        assert!(!splitter.has_line());
        splitter.give(b"\n");
        assert!(splitter.has_line());
        assert_eq!(splitter.take(), Some(Line::TooLong(1_000_000)));
    }
}
