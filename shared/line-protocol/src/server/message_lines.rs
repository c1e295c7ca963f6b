//! Messages as lines for their reader.

use std::io::Write;

use chat_model::{Message, SentTo};
use jiff::Timestamp;

/// What a message line has beside time, sender and text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineForm {
    /// The number of the message, as `ids on` wants it.
    pub has_id: bool,
    /// Whom the message went to, as `to on` wants it.
    pub has_to: bool,
}

impl LineForm {
    /// Of messages that are kept.
    const KEPT: Self = Self {
        has_id: true,
        has_to: false,
    };
}

/// Writes message lines. Many messages bear the same second, so the last one's text is kept.
#[derive(Debug, Default)]
pub struct MessageLines {
    /// Seconds since 1970, and the same as text.
    last: Option<(i64, String)>,
}

impl MessageLines {
    /// Appends `[time] sender: text`, or with the number `[time] #number sender: text`, and the line end. The name of a
    /// room stands behind the sender, and so does whom the message went to.
    pub fn append(&mut self, buffer: &mut Vec<u8>, message: &Message<'_>, form: LineForm) {
        self.append_between(buffer, message, form, [b'[', b']']);
    }

    /// Appends `<time> #number sender: text`, as messages that are kept are shown.
    pub fn append_kept(&mut self, buffer: &mut Vec<u8>, message: &Message<'_>) {
        self.append_between(buffer, message, LineForm::KEPT, [b'<', b'>']);
    }

    fn append_between(
        &mut self,
        buffer: &mut Vec<u8>,
        message: &Message<'_>,
        form: LineForm,
        [open, close]: [u8; 2],
    ) {
        let time = self.time(message.time_ms.div_euclid(1_000));
        buffer.reserve(time.len() + message.sender.len() + message.text.len() + 32);
        buffer.push(open);
        buffer.extend_from_slice(time.as_bytes());
        buffer.extend_from_slice(&[close, b' ']);
        if form.has_id {
            // Writing to a vector cannot fail.
            let _ = write!(buffer, "#{} ", message.number.0);
        }
        buffer.extend_from_slice(message.sender.as_bytes());
        match &message.sent_to {
            SentTo::Room(room) | SentTo::NoticeOf(room) | SentTo::GapIn(room, _) => {
                buffer.push(b' ');
                buffer.extend_from_slice(room.as_bytes());
            }
            SentTo::Everyone if form.has_to => buffer.extend_from_slice(b" *"),
            SentTo::Group(names) if form.has_to => {
                buffer.extend_from_slice(b" (");
                buffer.extend_from_slice(names.as_bytes());
                buffer.push(b')');
            }
            SentTo::People | SentTo::Everyone | SentTo::Group(_) => {}
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
        let form = LineForm {
            has_id,
            has_to: false,
        };
        line_of("bob", SentTo::People, time_ms, form)
    }

    fn line_of(sender: &str, sent_to: SentTo<'_>, time_ms: i64, form: LineForm) -> String {
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
        MessageLines::default().append(&mut buffer, &message, form);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn lines_of_rooms_name_them() {
        let time = "[1970-01-01T00:00:00Z]";
        let plain = LineForm::default();
        let of_room = line_of("ann", SentTo::Room("#a"), 0, LineForm::KEPT);
        assert_eq!(of_room, format!("{time} #12 ann #a: hi  there\n"));
        let notice = line_of("*", SentTo::NoticeOf("#a"), 0, plain);
        assert_eq!(notice, format!("{time} * #a: hi  there\n"));
        let gap = line_of("*", SentTo::GapIn("#a", 7), 0, plain);
        assert_eq!(
            gap,
            format!("{time} * #a: 7 earlier messages: history #a\n")
        );
    }

    #[test]
    fn recipients_are_shown_if_wanted() {
        let time = "[1970-01-01T00:00:00Z]";
        let with_to = |has_id| LineForm {
            has_id,
            has_to: true,
        };
        for (sent_to, expected) in [
            (SentTo::People, "bob: hi  there"),
            (SentTo::Everyone, "bob *: hi  there"),
            (SentTo::Group("ann #a".into()), "bob (ann #a): hi  there"),
            (SentTo::Room("#a"), "bob #a: hi  there"),
        ] {
            let line = line_of("bob", sent_to.clone(), 0, with_to(false));
            assert_eq!(line, format!("{time} {expected}\n"));
            let line = line_of("bob", sent_to.clone(), 0, with_to(true));
            assert_eq!(line, format!("{time} #12 {expected}\n"));
            let is_for_people = !matches!(sent_to, SentTo::Room(_));
            let line = line_of("bob", sent_to, 0, LineForm::default());
            assert_eq!(line == format!("{time} bob: hi  there\n"), is_for_people);
        }
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
