//! A document in Markdown, as far as the tests have to understand it.

/// One document.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) lines: Vec<Line>,
}

/// One line of a document.
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
    /// Inside a box, whose first and last line count too.
    pub(crate) is_boxed: bool,
}

impl Page {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut is_inside = false;
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let is_fence = line.trim_start().starts_with("```");
            lines.push(Line {
                number: index + 1,
                text: line.to_owned(),
                is_boxed: is_inside || is_fence,
            });
            is_inside ^= is_fence;
        }
        Self {
            path: path.to_owned(),
            lines,
        }
    }

    /// What is wrong with a line.
    pub(crate) fn complaint(&self, line: &Line, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line.number)
    }

    /// Everything between backticks outside of boxes, with its line. None reaches over the end of a line.
    pub(crate) fn code_spans(&self) -> Vec<(&Line, &str)> {
        let prose = self.lines.iter().filter(|line| !line.is_boxed);
        prose
            .flat_map(|line| {
                let spans = line.text.split('`').skip(1).step_by(2);
                spans.map(move |span| (line, span))
            })
            .collect()
    }

    /// The lines inside each box but those marked `console`, whose commands the test `console` runs.
    pub(crate) fn boxes(&self) -> Vec<Vec<&Line>> {
        let mut boxes: Vec<Vec<&Line>> = Vec::new();
        let (mut is_inside, mut is_run) = (false, false);
        for line in self.lines.iter().filter(|line| line.is_boxed) {
            if line.text.trim_start().starts_with("```") {
                is_inside = !is_inside;
                is_run = is_inside && line.text.ends_with("console");
                if is_inside && !is_run {
                    boxes.push(Vec::new());
                }
            } else if !is_run && let Some(inside) = boxes.last_mut() {
                inside.push(line);
            }
        }
        boxes
    }

    /// The cells of each row of a table, with its line.
    pub(crate) fn rows(&self) -> Vec<(&Line, Vec<&str>)> {
        let rows = self.lines.iter().filter(|line| line.is_row());
        rows.map(|line| {
            let inside = line.text.trim().trim_matches('|');
            (line, inside.split(" | ").map(str::trim).collect())
        })
        .collect()
    }

    /// The lines below a heading, up to the next heading of any level.
    pub(crate) fn section(&self, heading: &str) -> Vec<&Line> {
        let begin = self
            .lines
            .iter()
            .position(|line| !line.is_boxed && line.text.trim_start_matches('#').trim() == heading);
        let begin = begin.unwrap_or_else(|| panic!("{} has no section {heading}", self.path));
        let rest = self.lines[begin + 1..].iter();
        rest.take_while(|line| !line.is_heading()).collect()
    }

    /// The anchors that links can name.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let headings = self.lines.iter().filter(|line| line.is_heading());
        headings.map(|line| anchor(&line.text)).collect()
    }
}

impl Line {
    pub(crate) fn is_row(&self) -> bool {
        !self.is_boxed && self.text.trim_start().starts_with('|')
    }

    fn is_heading(&self) -> bool {
        !self.is_boxed && self.text.starts_with('#')
    }
}

/// As the viewers of Markdown make it: small letters, hyphens for spaces, nothing but those, digits and `_`.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    });
    kept.collect()
}

/// What stands between backticks in a text.
pub(crate) fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn anchors_are_those_of_viewers() {
    assert_eq!(
        anchor("## 7. What `sent:` promises, and"),
        "7-what-sent-promises-and"
    );
}
