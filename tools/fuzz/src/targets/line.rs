//! The line parser: a stream in pieces is cut into the lines that a plain model finds, each is understood, and what is
//! understood can be written down again.

use chat_frontd::core::fuzzing::{CutLine, Meaning, cut_lines, understand, word};
use chat_model::text::is_clean;

use crate::choices::Choices;

/// The limit of a line, how long what is secret goes on, the length of each piece; then the stream.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let max_line_bytes = 1 + choices.below(64) * 4;
    let secret_lines = choices.below(4);
    let piece_bytes = [choices.byte(), choices.byte(), choices.byte()];
    let stream = choices.rest();
    let wanted = lines_of(stream, max_line_bytes);
    let pieces = in_pieces(stream, &piece_bytes);
    let found = cut_lines(&pieces, max_line_bytes, secret_lines);
    assert_eq!(found, wanted);
    for line in found {
        assert!(is_clean(&word(&line.content)));
        if !line.is_too_long {
            check_meaning(&line.content);
        }
    }
}

fn in_pieces<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at(usize::from(*length).clamp(1, stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// The lines of a whole stream, one byte after the other.
fn lines_of(stream: &[u8], max_line_bytes: usize) -> Vec<CutLine> {
    let mut lines = Vec::new();
    let mut content = Vec::new();
    let mut is_skipping = false;
    for (end, byte) in (1..).zip(stream) {
        if *byte == b'\n' {
            if !std::mem::take(&mut is_skipping) {
                content.pop_if(|last| *last == b'\r');
                let content = std::mem::take(&mut content);
                lines.push(CutLine {
                    content,
                    end,
                    is_too_long: false,
                });
            }
        } else if !is_skipping {
            content.push(*byte);
            if content.len() == max_line_bytes {
                is_skipping = true;
                let content = std::mem::take(&mut content);
                lines.push(CutLine {
                    content,
                    end,
                    is_too_long: true,
                });
            }
        }
    }
    lines
}

fn check_meaning(line: &[u8]) {
    let meaning = understand(line);
    let again = match &meaning {
        Meaning::Send { recipients, text } => {
            assert!(recipients.may_be_recipients() && is_clean(text) && !text.is_empty());
            let names: Vec<&str> = recipients.iter().collect();
            match &names[..] {
                [name] if !name.starts_with('(') => format!("send {name} {text}"),
                names => format!("send ({}) {text}", names.join(" ")),
            }
        }
        Meaning::Broadcast { text } => {
            assert!(is_clean(text) && !text.is_empty());
            format!("broadcast {text}")
        }
        Meaning::Last { minutes } => format!("last {minutes}"),
        Meaning::Plain(words) => (*words).to_owned(),
        Meaning::Refused(word) => {
            assert!(is_clean(word) && !word.contains([' ', '\t']));
            return;
        }
    };
    assert_eq!(understand(again.as_bytes()), meaning);
}
