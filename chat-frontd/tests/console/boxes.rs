//! Finds the boxes and their commands in a document. Pure.

/// A chapter of a document, with what is to be run in it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Chapter {
    /// The document and the heading.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// One command.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// The document and the line.
    pub(crate) place: String,
    pub(crate) command: String,
    /// The lines that it prints; nothing if readers do not see the command.
    pub(crate) shown: Option<Vec<String>>,
}

const BEGIN: &str = "```console";
const END: &str = "```";

/// The chapters of the document `page` that have steps.
pub(crate) fn chapters(page: &str, text: &str) -> Vec<Chapter> {
    let mut chapters = vec![Chapter::default()];
    let mut is_boxed = false;
    // Whether the next line may go on with a command.
    let mut is_command = false;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(chapter) = chapters.last_mut() else {
            break;
        };
        // A box in a list is indented.
        let trimmed = line.trim_start();
        let step = |command: &str, shown| Step {
            place: format!("{page}:{number}"),
            command: command.to_owned(),
            shown,
        };
        if !is_boxed {
            is_boxed = trimmed == BEGIN;
            let hidden = trimmed.strip_prefix("<!-- $ ");
            if let Some(command) = hidden.and_then(|it| it.strip_suffix(" -->")) {
                chapter.steps.push(step(command, None));
            } else if let Some(heading) = line.strip_prefix("## ") {
                let name = format!("{page}, {heading}");
                let steps = Vec::new();
                chapters.push(Chapter { name, steps });
            }
        } else if trimmed == END {
            is_boxed = false;
        } else if let Some(command) = trimmed.strip_prefix("$ ") {
            chapter.steps.push(step(command, Some(Vec::new())));
            is_command = true;
        } else if let Some(last) = chapter.steps.last_mut() {
            match trimmed
                .strip_prefix("> ")
                .or((trimmed == ">").then_some(""))
            {
                Some(more) if is_command => last.command += &format!("\n{more}"),
                _ => {
                    is_command = false;
                    last.shown.get_or_insert_default().push(line.to_owned());
                }
            }
        }
    }
    chapters.retain(|chapter| !chapter.steps.is_empty());
    chapters
}

#[test]
fn boxes_and_hidden_commands_are_found() {
    let text = "## A\n```\n$ no\n```\n## B\n<!-- $ make -->\n```console\n$ cat <<E\n> a\n> E\na\n> b\n$ ls\n```\n";
    let step = |line: u32, command: &str, shown: Option<&[&str]>| Step {
        place: format!("p:{line}"),
        command: command.to_owned(),
        shown: shown.map(|lines| lines.iter().map(|&it| it.to_owned()).collect()),
    };
    let expected = Chapter {
        name: "p, B".to_owned(),
        steps: vec![
            step(6, "make", None),
            step(8, "cat <<E\na\nE", Some(&["a", "> b"])),
            step(13, "ls", Some(&[])),
        ],
    };
    assert_eq!(chapters("p", text), [expected]);
}
