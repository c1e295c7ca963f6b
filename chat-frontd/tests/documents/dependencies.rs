//! docs/dependencies.md has every dependency of every package, and says where it is used.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkout::{Sources, files, page, read};
use crate::expect_none;
use crate::page::{Page, spans};

const DEPENDENCIES: &str = "docs/dependencies.md";
const IN_PROGRAMS: &str = "In the programs";
const IN_TESTS: &str = "In tests and tools only";

/// Who uses a crate: packages whose programs have it, and packages whose tests have it, or which are tools.
#[derive(Default)]
struct Users {
    programs: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// All crates from elsewhere, by name.
fn used() -> BTreeMap<String, Users> {
    let mut used: BTreeMap<String, Users> = BTreeMap::new();
    for path in files()
        .into_iter()
        .filter(|path| path.ends_with("/Cargo.toml"))
    {
        let package = package_of(&path);
        let is_tool = path.starts_with("tools/");
        for (section, name) in entries(&read(&path)) {
            let users = match section.as_str() {
                _ if name.starts_with("chat-") => continue,
                "dependencies" | "build-dependencies" if !is_tool => {
                    &mut used.entry(name).or_default().programs
                }
                "dependencies" | "build-dependencies" | "dev-dependencies" => {
                    &mut used.entry(name).or_default().tests
                }
                _ => continue,
            };
            users.insert(package.clone());
        }
    }
    used
}

/// As the document calls a package: by the last part of its directory.
fn package_of(manifest: &str) -> String {
    let directory = manifest.trim_end_matches("/Cargo.toml");
    directory.rsplit('/').next().unwrap_or(directory).to_owned()
}

/// The section and the name of each entry of a manifest.
fn entries(manifest: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !line.starts_with('#')
        {
            entries.push((section.clone(), name.to_owned()));
        }
    }
    entries
}

/// Each crate of a table, and the packages that its second cell names.
fn listed(page: &Page, section: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = page
        .section(section)
        .into_iter()
        .filter(|line| line.is_row());
    let rows = rows.map(|line| {
        line.text
            .trim_matches('|')
            .split(" | ")
            .map(str::trim)
            .collect()
    });
    let rows = rows.filter(|cells: &Vec<&str>| cells[0] != "crate" && !cells[0].starts_with("---"));
    rows.map(|cells| {
        let packages = cells[1].split(", ").map(str::to_owned).collect();
        (cells[0].to_owned(), packages)
    })
    .collect()
}

#[test]
fn dependencies_are_listed_where_used() {
    let page = page(DEPENDENCIES);
    let (programs, tests) = (listed(&page, IN_PROGRAMS), listed(&page, IN_TESTS));
    let used = used();
    let mut complaints = Vec::new();
    for (name, users) in &used {
        let (table, expected, other) = if users.programs.is_empty() {
            (IN_TESTS, &users.tests, &programs)
        } else {
            (IN_PROGRAMS, &users.programs, &tests)
        };
        let told = if table == IN_TESTS { &tests } else { &programs };
        if told.get(name) != Some(expected) {
            complaints.push(format!(
                "{DEPENDENCIES}, \"{table}\": {name} is used in {expected:?}"
            ));
        }
        if other.contains_key(name) {
            complaints.push(format!("{DEPENDENCIES}: {name} is in the wrong table, too"));
        }
    }
    let gone = programs
        .keys()
        .chain(tests.keys())
        .filter(|name| !used.contains_key(*name));
    complaints.extend(gone.map(|name| format!("{DEPENDENCIES}: nothing uses {name}")));
    expect_none(&complaints);
}

/// bincode is not maintained any more: the document says in which files it is.
#[test]
fn every_file_with_bincode_is_listed() {
    let page = page(DEPENDENCIES);
    let section = page.section("Where bincode is used");
    let listed: BTreeSet<String> = section
        .iter()
        .flat_map(|line| spans(&line.text))
        .filter(|span| span.ends_with(".rs"))
        .map(str::to_owned)
        .collect();
    let sources = Sources::below("");
    let used: BTreeSet<String> = sources.naming("bincode::").into_iter().collect();
    let missing = used
        .difference(&listed)
        .map(|path| format!("{DEPENDENCIES}: {path} is not listed"));
    let gone = listed
        .difference(&used)
        .map(|path| format!("{DEPENDENCIES}: no bincode in {path}"));
    expect_none(&missing.chain(gone).collect::<Vec<_>>());
}

#[test]
fn every_dependency_of_the_workspace_is_used() {
    let used = used();
    let entries = entries(&read("Cargo.toml"));
    let unused = entries
        .into_iter()
        .filter(|(section, name)| section == "workspace.dependencies" && !name.starts_with("chat-"))
        .filter(|(_, name)| !used.contains_key(name));
    expect_none(
        &unused
            .map(|(_, name)| format!("Cargo.toml: nothing uses {name}"))
            .collect::<Vec<_>>(),
    );
}
