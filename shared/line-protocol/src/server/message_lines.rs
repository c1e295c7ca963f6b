//! Messages as lines for their reader.

use std::io::Write;

use chat_model::{Message, SentTo};
use jiff::Timestamp;

/// Writes message lines. Many messages bear the same second, so the last one's text is kept.
#[derive(Debug, Default)]
pub struct MessageLines {
    /// Seconds since 1970, and the same as text.
    last: Option<(i64, String)>,
}

impl MessageLines {
    /// Appends `[time] sender: text`, or with `has_id` `[time] #number sender: text`, and the line end. The name of a
    /// room stands behind the sender.
    pub fn append(&mut self, buffer: &mut Vec<u8>, message: &Message<'_>, has_id: bool) {
        self.append_between(buffer, message, has_id, [b'[', b']']);
    }

    /// Appends `<time> #number sender: text`, as messages that are kept are shown.
    pub fn append_kept(&mut self, buffer: &mut Vec<u8>, message: &Message<'_>) {
        self.append_between(buffer, message, true, [b'<', b'>']);
    }

    fn append_between(
        &mut self,
        buffer: &mut Vec<u8>,
        message: &Message<'_>,
        has_id: bool,
        [open, close]: [u8; 2],
    ) {
        let time = self.time(message.time_ms.div_euclid(1_000));
        buffer.reserve(time.len() + message.sender.len() + message.text.len() + 32);
        buffer.push(open);
        buffer.extend_from_slice(time.as_bytes());
        buffer.extend_from_slice(&[close, b' ']);
        if has_id {
            // Writing to a vector cannot fail.
            let _ = write!(buffer, "#{} ", message.number.0);
        }
        buffer.extend_from_slice(message.sender.as_bytes());
        let room = match message.sent_to {
            SentTo::People => None,
            SentTo::Room(room) | SentTo::NoticeOf(room) | SentTo::GapIn(room, _) => Some(room),
        };
        if let Some(room) = room {
            buffer.push(b' ');
            buffer.extend_from_slice(room.as_bytes());
        }
        buffer.extend_from_slice(b": ");
        if let SentTo::GapIn(room, messages) = message.sent_to {
            let _ = write!(buffer, "{messages} earlier messages: history {room}");
        }
        buffer.extend_from_slice(message.text.as_bytes());
        buffer.push(b'\n');
    }

    fn time(&mut self, seconds: i64) -> &str {
        let is_known = self.last.as_ref().is_some_and(|(last, _)| *last == seconds);
        if !is_known {
            let text = format!("{:.0}", nearest_time(seconds));
            self.last = Some((seconds, text));
        }
        self.last.as_ref().map_or("", |(_, text)| text)
    }
}

/// Seconds since 1970 as a time of day. What the calendar does not hold is its nearest end.
fn nearest_time(seconds: i64) -> Timestamp {
    let nearest = match seconds < 0 {
        true => Timestamp::MIN,
        false => Timestamp::MAX,
    };
    Timestamp::from_second(seconds).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use chat_model::MessageNumber;

    use super::*;

    fn line(time_ms: i64, has_id: bool) -> String {
        line_of("bob", SentTo::People, time_ms, has_id)
    }

    fn line_of(sender: &str, sent_to: SentTo<'_>, time_ms: i64, has_id: bool) -> String {
        let text = match sent_to {
            SentTo::GapIn(..) => "",
            _ => "hi  there",
        };
        let message = Message {
            number: MessageNumber(12),
            time_ms,
            sender,
            sent_to,
            text,
        };
        let mut buffer = Vec::new();
        MessageLines::default().append(&mut buffer, &message, has_id);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn lines_of_rooms_name_them() {
        let time = "[1970-01-01T00:00:00Z]";
        let of_room = line_of("ann", SentTo::Room("#a"), 0, true);
        assert_eq!(of_room, format!("{time} #12 ann #a: hi  there\n"));
        let notice = line_of("*", SentTo::NoticeOf("#a"), 0, false);
        assert_eq!(notice, format!("{time} * #a: hi  there\n"));
        let gap = line_of("*", SentTo::GapIn("#a", 7), 0, false);
        assert_eq!(
            gap,
            format!("{time} * #a: 7 earlier messages: history #a\n")
        );
    }

    #[test]
    fn kept_lines_are_told_from_new_ones() {
        let message = Message {
            number: MessageNumber(12),
            time_ms: 0,
            sender: "bob",
            sent_to: SentTo::People,
            text: "hi",
        };
        let mut buffer = Vec::new();
        MessageLines::default().append_kept(&mut buffer, &message);
        assert_eq!(buffer, b"<1970-01-01T00:00:00Z> #12 bob: hi\n");
    }

    #[test]
    fn lines_bear_the_time_in_rfc_3339() {
        assert_eq!(
            line(1_795_346_311_999, false),
            "[2026-11-22T11:18:31Z] bob: hi  there\n"
        );
        assert_eq!(line(0, true), "[1970-01-01T00:00:00Z] #12 bob: hi  there\n");
        assert!(line(-1, false).starts_with("[1969-12-31T23:59:59Z] "));
        assert!(line(i64::MAX, false).starts_with("[9999-12-30T22:00:00Z] "));
        assert!(line(i64::MIN, false).starts_with("[-009999-01-0"));
    }
}
