//! Dialogues that stand in a document as examples, where times and numbers are shown, not described.

use super::dialogue::Dialogue;

const BEGIN: &str = "```chat\n";
const END: &str = "```\n";

/// Every box marked `chat`, to be replayed with the settings a server comes with, and a history.
pub(crate) fn examples(name: &str, text: &str) -> Result<Vec<Dialogue>, String> {
    let mut examples = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        line += before.lines().count();
        let (shown, after) = after
            .split_once(END)
            .ok_or_else(|| format!("{name}:{line}: the box has no end"))?;
        let described: String = shown.lines().map(|line| describe(line) + "\n").collect();
        let mut example = Dialogue::parse(&format!("{name}, the box at line {line}"), &described)?;
        example.settings = [
            ("TIME_OUT", "1800"),
            ("BLOCK_TIME", "60"),
            ("CHAT_DIRECT_HISTORY", "1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        examples.push(example);
        line += shown.lines().count() + 2;
        rest = after;
    }
    Ok(examples)
}

/// Puts patterns for what differs from run to run into a line that a client receives.
fn describe(shown: &str) -> String {
    if shown.get(1..3) != Some("< ") {
        return shown.to_owned();
    }
    let (head, text) = shown.split_at(3);
    if let Some(seconds) = text.strip_prefix("blocked:") {
        return format!("{head}blocked:<1-{seconds}>");
    }
    let kept = text
        .strip_prefix('<')
        .and_then(|text| text.split_once("> "));
    let new = text
        .strip_prefix('[')
        .and_then(|text| text.split_once("] "));
    let (Some((_, message)), is_kept) = (kept.or(new), kept.is_some()) else {
        return shown.to_owned();
    };
    let message = message
        .strip_prefix('#')
        .and_then(|numbered| numbered.split_once(' '))
        .map_or_else(
            || message.to_owned(),
            |(_, rest)| format!("#<number> {rest}"),
        );
    match is_kept {
        true => format!("{head}<<time>> {message}"),
        false => format!("{head}[<time>] {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_becomes_what_may_come() {
        for (shown, described) in [
            ("a> [x] y", "a> [x] y"),
            ("a< DONE", "a< DONE"),
            ("a< blocked:60", "a< blocked:<1-60>"),
            (
                "a< [2026-11-22T11:18:31Z] ann: hi #1",
                "a< [<time>] ann: hi #1",
            ),
            (
                "a< <2026-11-22T11:18:31Z> #41 ann: hi",
                "a< <<time>> #<number> ann: hi",
            ),
            (
                "a< [2026-11-22T11:18:31Z] #41 ann: hi",
                "a< [<time>] #<number> ann: hi",
            ),
        ] {
            assert_eq!(describe(shown), described);
        }
    }

    #[test]
    fn boxes_are_found_with_their_lines() {
        let text =
            "one\n```\nnot this\n```\n```chat\na! open\n```\nx\n```chat\nb! open\nb> x\n```\n";
        let examples = examples("d", text).unwrap();
        let names: Vec<_> = examples
            .iter()
            .map(|example| example.name.as_str())
            .collect();
        assert_eq!(names, ["d, the box at line 5", "d, the box at line 9"]);
        assert_eq!(examples[1].lines.len(), 2);
    }
}
