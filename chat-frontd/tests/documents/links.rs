//! Links between documents lead somewhere, and lines of prose are not too wide.

use crate::checkout::{pages, read, root};
use crate::expect_none;
use crate::page::Page;

/// Columns of a line, in characters.
const MAX_COLUMNS: usize = 120;

/// Pages whose prose a tool writes.
const AS_THEY_ARE: [&str; 2] = ["docs/outage-report.md", "docs/storm-report.md"];

#[test]
fn links_lead_somewhere() {
    let mut complaints = Vec::new();
    for page in pages() {
        let directory = page
            .path
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        for line in page.lines.iter().filter(|line| !line.is_boxed) {
            for target in targets(&line.text) {
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = match file {
                    "" => page.path.clone(),
                    _ => joined(directory, file),
                };
                if !root().join(&path).exists() {
                    complaints.push(page.complaint(line, &format!("there is no {path}")));
                } else if !anchor.is_empty()
                    && !Page::new(&path, &read(&path))
                        .anchors()
                        .contains(&anchor.to_owned())
                {
                    complaints
                        .push(page.complaint(line, &format!("{path} has no heading {anchor}")));
                }
            }
        }
    }
    expect_none(&complaints);
}

/// Where links of a line lead, within the checkout.
fn targets(text: &str) -> Vec<&str> {
    let behind = text.split("](").skip(1);
    let targets = behind.filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

fn joined(directory: &str, file: &str) -> String {
    let mut parts: Vec<&str> = directory
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in file.split('/') {
        match part {
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Tables, and what programs said, are as wide as they are.
#[test]
fn lines_of_prose_are_not_too_wide() {
    let mut complaints = Vec::new();
    let is_checked = |page: &Page| !AS_THEY_ARE.contains(&&*page.path);
    for page in pages().into_iter().filter(is_checked) {
        for line in page
            .lines
            .iter()
            .filter(|line| !line.is_boxed && !line.is_row())
        {
            let columns = line.text.chars().count();
            if columns > MAX_COLUMNS && !line.text.contains("](") {
                complaints.push(page.complaint(line, &format!("{columns} columns")));
            }
        }
    }
    expect_none(&complaints);
}
