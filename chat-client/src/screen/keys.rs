//! What a terminal sends in the full screen: keys, keys with Alt, what was pasted, the mouse.

use crate::keys::{Key, KeyDecoder, plain_key, sequence_key};

/// Something the user did at the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A key that edits a line.
    Key(Key),
    /// A key with Alt.
    Alt(char),
    /// A key with Ctrl that edits no line.
    Control(char),
    AltEnter,
    Escape,
    PageUp,
    PageDown,
    /// Ctrl-Left, Alt-Left, and the same to the right.
    WordLeft,
    WordRight,
    /// F1 to F12.
    Function(u8),
    /// What was pasted, as it is.
    Paste(Vec<u8>),
    Mouse(Mouse),
    /// The terminal's window got or lost the focus.
    Focus(bool),
    /// Characters that are not in UTF-8, which are dropped.
    DroppedText,
}

/// What the mouse did, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mouse {
    pub(crate) act: MouseAct,
    pub(crate) column: u16,
    pub(crate) row: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MouseAct {
    Pressed,
    Dragged,
    Released,
    WheelUp,
    WheelDown,
}

/// Longest escape sequence that is waited for.
const MAX_SEQUENCE_BYTES: usize = 32;
/// Most bytes of one paste that are kept.
const MAX_PASTE_BYTES: usize = 1024 * 1024;
const ESCAPE: u8 = 0x1b;
const PASTE_BEGINS: &[u8] = b"[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Takes bytes one by one, and gives what they mean.
#[derive(Default)]
pub(crate) struct Decoder {
    keys: KeyDecoder,
    sequence: Vec<u8>,
    paste: Option<Vec<u8>>,
}

impl Decoder {
    /// What this byte completes. What is not known is dropped.
    pub(crate) fn take(&mut self, byte: u8) -> Option<Typed> {
        if let Some(paste) = &mut self.paste {
            paste.push(byte);
            return self.paste_if_complete();
        }
        if self.sequence.is_empty() {
            if byte == ESCAPE {
                self.sequence.push(byte);
                return None;
            }
            return self.plain(byte);
        }
        self.escape(byte)
    }

    /// Whether characters were dropped since this was last asked, because they are not in UTF-8.
    pub(crate) fn take_dropped_text(&mut self) -> bool {
        self.keys.take_dropped_text()
    }

    /// Whether a lone Escape may have been pressed: nothing that follows will come at once then.
    pub(crate) fn may_be_escape(&self) -> bool {
        self.sequence == [ESCAPE]
    }

    /// Nothing has followed.
    pub(crate) fn nothing_followed(&mut self) -> Option<Typed> {
        let is_escape = self.may_be_escape();
        self.sequence.clear();
        is_escape.then_some(Typed::Escape)
    }

    fn plain(&mut self, byte: u8) -> Option<Typed> {
        let is_control = byte < 0x20 && plain_key(byte).is_none();
        let letter = char::from(byte | 0x60);
        match is_control {
            true if letter.is_ascii_lowercase() => Some(Typed::Control(letter)),
            _ => self.keys.take(byte).map(Typed::Key),
        }
    }

    fn paste_if_complete(&mut self) -> Option<Typed> {
        let paste = self.paste.as_mut()?;
        if !paste.ends_with(PASTE_ENDS) {
            // What is too much is dropped; the end is waited for.
            if paste.len() > MAX_PASTE_BYTES + PASTE_ENDS.len() {
                paste.remove(MAX_PASTE_BYTES);
            }
            return None;
        }
        paste.truncate(paste.len() - PASTE_ENDS.len());
        self.paste.take().map(Typed::Paste)
    }

    fn escape(&mut self, byte: u8) -> Option<Typed> {
        if byte == ESCAPE {
            let is_escape = self.may_be_escape();
            self.sequence = vec![ESCAPE];
            return is_escape.then_some(Typed::Escape);
        }
        if self.sequence.len() > MAX_SEQUENCE_BYTES {
            self.sequence.clear();
            return self.take(byte);
        }
        self.sequence.push(byte);
        let is_complete = match self.sequence.get(1) {
            Some(b'[') => self.sequence.len() > 2 && (0x40..=0x7e).contains(&byte),
            Some(b'O') => self.sequence.len() > 2,
            _ => true,
        };
        if !is_complete {
            return None;
        }
        let sequence = std::mem::take(&mut self.sequence);
        match &sequence[1..] {
            PASTE_BEGINS => {
                self.paste = Some(Vec::new());
                None
            }
            [b'\r' | b'\n'] => Some(Typed::AltEnter),
            [0x08 | 0x7f] => Some(Typed::Key(Key::KillWord)),
            [byte @ 0x20..0x7f] => Some(Typed::Alt(char::from(*byte))),
            [byte] => self.plain(*byte),
            rest => long_sequence(rest),
        }
    }
}

/// A sequence without its Escape.
fn long_sequence(sequence: &[u8]) -> Option<Typed> {
    if let Some(key) = sequence_key(sequence) {
        return Some(Typed::Key(key));
    }
    let (last, parameters) = sequence.split_last()?;
    if let (b'P'..=b'S', b"O") = (last, parameters) {
        return Some(Typed::Function(last - b'P' + 1));
    }
    let parameters = parameters.strip_prefix(b"[")?;
    if let Some(parameters) = parameters.strip_prefix(b"<") {
        return mouse(&numbers(parameters), *last);
    }
    let numbers = numbers(parameters);
    let modifiers = numbers
        .get(1)
        .map_or(0, |modifiers| modifiers.saturating_sub(1));
    match (last, numbers.as_slice()) {
        (b'I', _) => Some(Typed::Focus(true)),
        (b'O', _) => Some(Typed::Focus(false)),
        (b'C', [1, _]) => Some(Typed::WordRight),
        (b'D', [1, _]) => Some(Typed::WordLeft),
        (b'~', [5, ..]) => Some(Typed::PageUp),
        (b'~', [6, ..]) => Some(Typed::PageDown),
        (b'~', [number @ 11..=15, ..]) => Some(Typed::Function(function(*number, 10))),
        (b'~', [number @ 17..=21, ..]) => Some(Typed::Function(function(*number, 11))),
        (b'~', [number @ 23..=24, ..]) => Some(Typed::Function(function(*number, 12))),
        (b'~', [27, modifiers, code]) => coded(*code, modifiers.saturating_sub(1)),
        (b'u', [code, ..]) => coded(*code, modifiers),
        // With a modifier, the arrows and the keys beside them do the same.
        (b'A' | b'B' | b'H' | b'F', [1, _]) => sequence_key(&[b'[', *last]).map(Typed::Key),
        _ => None,
    }
}

fn function(number: u16, offset: u16) -> u8 {
    u8::try_from(number - offset).unwrap_or(0)
}

fn numbers(parameters: &[u8]) -> Vec<u16> {
    let parts = parameters.split(|byte| *byte == b';');
    let number = |part: &[u8]| {
        // `code:shifted` names the same key twice.
        let part = part.split(|byte| *byte == b':').next().unwrap_or_default();
        std::str::from_utf8(part).ok()?.parse().ok()
    };
    parts.map(|part| number(part).unwrap_or(0)).collect()
}

/// A key by its code, with modifiers: 1 is Shift, 2 is Alt, 4 is Ctrl.
fn coded(code: u16, modifiers: u16) -> Option<Typed> {
    let (has_alt, has_control) = (modifiers & 2 != 0, modifiers & 4 != 0);
    let character = char::from_u32(u32::from(code))?;
    match (code, character) {
        (13, _) if modifiers != 0 => Some(Typed::AltEnter),
        (13, _) => Some(Typed::Key(Key::Enter)),
        (27, _) => Some(Typed::Escape),
        (9, _) => Some(Typed::Key(Key::Tab)),
        (127, _) if has_alt || has_control => Some(Typed::Key(Key::KillWord)),
        (127, _) => Some(Typed::Key(Key::Backspace)),
        (_, 'a'..='z') if has_control => {
            let byte = u8::try_from(code).ok()? & 0x1f;
            let key = plain_key(byte).map(Typed::Key);
            Some(key.unwrap_or(Typed::Control(character)))
        }
        (_, character) if has_alt => Some(Typed::Alt(character)),
        (_, character) if !character.is_control() && !has_control => {
            Some(Typed::Key(Key::Character(character)))
        }
        _ => None,
    }
}

/// The mouse as `CSI < button ; column ; row M`, or `m` when the button is released. Both count from 1.
fn mouse(numbers: &[u16], last: u8) -> Option<Typed> {
    let &[button, column, row] = numbers else {
        return None;
    };
    let act = match (button, last) {
        (64, b'M') => MouseAct::WheelUp,
        (65, b'M') => MouseAct::WheelDown,
        (0, b'M') => MouseAct::Pressed,
        (32, b'M') => MouseAct::Dragged,
        (0, b'm') => MouseAct::Released,
        _ => return None,
    };
    Some(Typed::Mouse(Mouse {
        act,
        column: column.saturating_sub(1),
        row: row.saturating_sub(1),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Vec<Typed> {
        let mut decoder = Decoder::default();
        bytes
            .iter()
            .filter_map(|byte| decoder.take(*byte))
            .collect()
    }

    #[test]
    fn keys_with_and_without_alt() {
        use Typed::{Alt, AltEnter, Control, PageUp, WordLeft};
        let keys = typed(b"a\x1b1\x1ba\x1b\r\x1b[5~\x1b[1;5D\x12\x1b[A");
        let expected = [
            Typed::Key(Key::Character('a')),
            Alt('1'),
            Alt('a'),
            AltEnter,
            PageUp,
            WordLeft,
            Control('r'),
            Typed::Key(Key::Up),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn coded_keys_mean_the_same() {
        for (coded, plain) in [
            (&b"\x1b[13;3u"[..], &b"\x1b\r"[..]),
            (b"\x1b[97;5u", b"\x01"),
            (b"\x1b[114;5u", b"\x12"),
            (b"\x1b[97;3u", b"\x1ba"),
            (b"\x1b[27;5;97~", b"\x01"),
            (b"\x1b[97u", b"a"),
            (b"\x1b[13u", b"\r"),
            (b"\x1b[9u", b"\t"),
            (b"\x1b[1;2A", b"\x1b[A"),
        ] {
            assert_eq!(typed(coded), typed(plain), "{coded:?}");
        }
    }

    #[test]
    fn lone_escape_is_known_by_silence() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.take(ESCAPE), None);
        assert!(decoder.may_be_escape());
        assert_eq!(decoder.nothing_followed(), Some(Typed::Escape));
        assert_eq!(decoder.take(b'x'), Some(Typed::Key(Key::Character('x'))));
        assert_eq!(typed(b"\x1b\x1bx"), [Typed::Escape, Typed::Alt('x')]);
    }

    #[test]
    fn paste_is_bytes_and_no_keys() {
        let keys = typed(b"\x1b[200~a\tb\r/quit\r\x1b[A\x03\xff\x1b[201~x");
        let paste = Typed::Paste(b"a\tb\r/quit\r\x1b[A\x03\xff".to_vec());
        assert_eq!(keys, [paste, Typed::Key(Key::Character('x'))]);
    }

    #[test]
    fn long_paste_is_cut() {
        let mut bytes = b"\x1b[200~".to_vec();
        bytes.resize(MAX_PASTE_BYTES + 100, b'a');
        bytes.extend(PASTE_ENDS);
        let keys = typed(&bytes);
        assert!(matches!(&keys[..], [Typed::Paste(paste)] if paste.len() <= MAX_PASTE_BYTES + 6));
    }

    #[test]
    fn mouse_and_focus() {
        let at = |act, column, row| Typed::Mouse(Mouse { act, column, row });
        let keys = typed(b"\x1b[<0;3;4M\x1b[<32;5;6M\x1b[<0;5;6m\x1b[<64;1;1M\x1b[I\x1b[O");
        let expected = [
            at(MouseAct::Pressed, 2, 3),
            at(MouseAct::Dragged, 4, 5),
            at(MouseAct::Released, 4, 5),
            at(MouseAct::WheelUp, 0, 0),
            Typed::Focus(true),
            Typed::Focus(false),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn unknown_sequences_are_dropped() {
        let mut bytes = b"\x1b[?1;2c\x1b[".to_vec();
        bytes.resize(100, b'1');
        bytes.extend(b"~x");
        assert_eq!(typed(&bytes).last(), Some(&Typed::Key(Key::Character('x'))));
    }
}
