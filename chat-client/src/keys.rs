//! What a terminal sends when keys are pressed.

/// A key that the line editor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character of the text.
    Character(char),
    /// Enter.
    Enter,
    /// Backspace, Ctrl-H.
    Backspace,
    /// Delete.
    Delete,
    /// Left, Ctrl-B.
    Left,
    /// Right, Ctrl-F.
    Right,
    /// Home, Ctrl-A.
    Home,
    /// End, Ctrl-E.
    End,
    /// Up, Ctrl-P.
    Up,
    /// Down, Ctrl-N.
    Down,
    /// Tab.
    Tab,
    /// Ctrl-K.
    KillToEnd,
    /// Ctrl-U.
    KillToStart,
    /// Ctrl-W.
    KillWord,
    /// Ctrl-L.
    ClearScreen,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-Z.
    Suspend,
}

/// Longest escape sequence that is waited for.
const MAX_SEQUENCE_BYTES: usize = 16;

/// What a terminal sends around pasted text, if it was asked to mark that.
const PASTE_BEGINS: &[u8] = b"[200~";
const PASTE_ENDS: &[u8] = b"[201~";

/// Takes bytes one by one and gives keys. What was pasted gives text only: no key that does something.
#[derive(Default)]
pub(crate) struct KeyDecoder {
    pending: Vec<u8>,
    is_pasting: bool,
    has_dropped_text: bool,
}

impl KeyDecoder {
    /// The key that this byte completes. What is not known is dropped.
    pub(crate) fn take(&mut self, byte: u8) -> Option<Key> {
        match self.pending.first() {
            None if byte == 0x1b || byte >= 0x80 => {
                self.pending.push(byte);
                None
            }
            None if self.is_pasting => pasted_key(byte),
            None => plain_key(byte),
            Some(0x1b) => self.escape(byte),
            Some(_) => self.utf8(byte),
        }
    }

    /// Whether characters were dropped since this was last asked, because they are not in UTF-8.
    pub(crate) fn take_dropped_text(&mut self) -> bool {
        std::mem::take(&mut self.has_dropped_text)
    }

    fn utf8(&mut self, byte: u8) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            // The sequence was cut short: this byte is the start of something else.
            self.pending.clear();
            self.has_dropped_text = true;
            return self.take(byte);
        }
        self.pending.push(byte);
        match std::str::from_utf8(&self.pending) {
            Ok(text) => {
                let character = text.chars().next();
                self.pending.clear();
                character
                    .filter(|character| !character.is_control())
                    .map(Key::Character)
            }
            Err(error) if error.error_len().is_some() || self.pending.len() >= 4 => {
                self.pending.clear();
                self.has_dropped_text = true;
                None
            }
            Err(_) => None,
        }
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        if byte == 0x1b || (byte < 0x20) || self.pending.len() >= MAX_SEQUENCE_BYTES {
            // Escape itself does nothing; a control after it counts.
            self.pending.clear();
            return self.take(byte);
        }
        self.pending.push(byte);
        let is_complete = match self.pending.get(1) {
            Some(b'[') => self.pending.len() > 2 && (0x40..=0x7e).contains(&byte),
            Some(b'O') => self.pending.len() > 2,
            _ => true,
        };
        if !is_complete {
            return None;
        }
        let sequence = std::mem::take(&mut self.pending);
        match &sequence[1..] {
            PASTE_BEGINS => self.is_pasting = true,
            PASTE_ENDS => self.is_pasting = false,
            _ if self.is_pasting => {}
            sequence => return sequence_key(sequence),
        }
        None
    }
}

/// A line end is a space, so that nothing is sent before Enter is pressed.
fn pasted_key(byte: u8) -> Option<Key> {
    match byte {
        b'\t' | 0x20..0x7f => Some(Key::Character(char::from(byte))),
        b'\r' | b'\n' => Some(Key::Character(' ')),
        _ => None,
    }
}

/// The key of a byte that is no part of a character or of a sequence.
pub(crate) fn plain_key(byte: u8) -> Option<Key> {
    Some(match byte {
        b'\r' | b'\n' => Key::Enter,
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 | 0x1c => Key::Interrupt,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Tab,
        0x0b => Key::KillToEnd,
        0x0c => Key::ClearScreen,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::KillToStart,
        0x17 => Key::KillWord,
        0x1a => Key::Suspend,
        0x20..0x7f => Key::Character(char::from(byte)),
        _ => return None,
    })
}

/// The key of a sequence, here without its Escape.
pub(crate) fn sequence_key(sequence: &[u8]) -> Option<Key> {
    Some(match sequence {
        b"[A" | b"OA" => Key::Up,
        b"[B" | b"OB" => Key::Down,
        b"[C" | b"OC" => Key::Right,
        b"[D" | b"OD" => Key::Left,
        b"[H" | b"OH" | b"[1~" | b"[7~" => Key::Home,
        b"[F" | b"OF" | b"[4~" | b"[8~" => Key::End,
        b"[3~" => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = KeyDecoder::default();
        bytes
            .iter()
            .filter_map(|&byte| decoder.take(byte))
            .collect()
    }

    #[test]
    fn text_controls_and_sequences() {
        use Key::{Character, Delete, Enter, Left, Up};
        assert_eq!(
            keys("aé👋\r".as_bytes()),
            [Character('a'), Character('é'), Character('👋'), Enter]
        );
        assert_eq!(keys(b"\x1b[A\x1bOD\x1b[3~"), [Up, Left, Delete]);
        assert_eq!(
            keys(b"\x1b[15~x\x1b[?1;2c"),
            [Character('x')],
            "unknown sequences"
        );
        assert_eq!(
            keys(b"\x1bx\x1b\ry"),
            [Enter, Character('y')],
            "Alt-x, escape and Enter"
        );
    }

    #[test]
    fn paste_is_text_only() {
        use Key::{Character, Enter};
        assert_eq!(
            keys(b"\x1b[200~a\tb\x03\rc\x1b[A\x1b[201~\r"),
            [
                Character('a'),
                Character('\t'),
                Character('b'),
                Character(' '),
                Character('c'),
                Enter
            ]
        );
    }

    #[test]
    fn broken_utf8_harms_nothing_after_it() {
        assert_eq!(keys(b"\xff\x80a"), [Key::Character('a')]);
        assert_eq!(keys(b"\xe2\x82a"), [Key::Character('a')]);
        let mut decoder = KeyDecoder::default();
        for (byte, is_dropped) in [(0xe9, false), (b'a', true), (b'b', false)] {
            decoder.take(byte);
            assert_eq!(decoder.take_dropped_text(), is_dropped, "{byte}");
        }
        assert_eq!(
            keys("\u{9b}a".as_bytes()),
            [Key::Character('a')],
            "a C1 control"
        );
    }
}
