//! Links between documents lead somewhere, and lines of prose are not too wide.

use std::collections::BTreeSet;

use crate::checkout::{files, pages, read, root};
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

/// The files of the checkout that the Debian package installs as documents, in the directories of the checkout.
fn installed_documents() -> BTreeSet<String> {
    let manifest = read("chat-stated/Cargo.toml");
    let mut installed = BTreeSet::new();
    for asset in manifest.lines() {
        let fields: Vec<&str> = asset.split('"').collect();
        let [_, source, _, target, ..] = fields[..] else {
            continue;
        };
        let Some(place) = target.strip_prefix("usr/share/doc/chatserv/") else {
            continue;
        };
        let (directory, name) = source.rsplit_once('/').unwrap();
        if format!("../{place}").trim_end_matches('/') != directory {
            continue;
        }
        let end = name.trim_start_matches('*');
        let is_one = |file: &str| match end == name {
            true => file == name,
            false => file.ends_with(end) && !file.contains('/'),
        };
        let taken = files()
            .into_iter()
            .filter(|path| path.strip_prefix(place).is_some_and(is_one));
        installed.extend(taken);
    }
    installed
}

#[test]
fn links_lead_somewhere_in_the_package() {
    let installed = installed_documents();
    assert!(installed.contains("README.md") && installed.contains("docs/backup.md"));
    let mut complaints = Vec::new();
    for page in pages().iter().filter(|page| installed.contains(&page.path)) {
        let directory = page
            .path
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        for line in page.lines.iter().filter(|line| !line.is_boxed) {
            let links = targets(&line.text).into_iter();
            let links = links.map(|target| target.split('#').next().unwrap_or_default());
            let paths = links
                .filter(|file| !file.is_empty())
                .map(|file| joined(directory, file));
            let missing = paths.filter(|path| !installed.contains(path));
            complaints.extend(
                missing.map(|path| page.complaint(line, &format!("{path} is not in the package"))),
            );
        }
    }
    expect_none(&complaints);
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
