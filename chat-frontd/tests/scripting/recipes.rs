//! Each script of docs/recipes.md, as it stands there.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::installation::{repository, wait_until};
use crate::place::{Place, expect_success};

/// The scripts by the name in their second line.
fn recipes() -> Vec<(String, String)> {
    let page = fs::read_to_string(repository().join("docs/recipes.md")).unwrap();
    let boxes = page.split("\n```sh\n").skip(1);
    let scripts = boxes.map(|rest| {
        let script = rest.split("\n```").next().unwrap();
        let head = script.strip_prefix("#!/bin/sh\n# ").unwrap();
        let name = head.split(':').next().unwrap();
        (name.to_owned(), format!("{script}\n"))
    });
    scripts.collect()
}

/// A place with this recipe in it. Ann reads what bob's scripts say in `#ops`, where ann is with bob.
fn place_with(recipe: &str) -> Place {
    let place = Place::new();
    let scripts = recipes();
    let found = scripts.iter().find(|(name, _)| name == recipe);
    let (name, script) = found.unwrap_or_else(|| panic!("no recipe is called {recipe}"));
    place.write(name, script, 0o755);
    for user in ["ann", "bob"] {
        place.client(user, &["join", "#ops"]);
    }
    place
}

/// What ann has got since the last time, without times.
fn heard(place: &Place) -> String {
    let lines = place.client("ann", &["fetch"]);
    let texts = lines.lines().map(|line| line.split_once("] ").unwrap().1);
    texts
        .map(|text| format!("{}\n", text.replace('\u{fffd}', "|")))
        .collect()
}

/// A script that goes on until it is dropped.
struct Running {
    child: Child,
}

impl Running {
    fn start(mut command: Command) -> Self {
        Self {
            child: command.process_group(0).spawn().unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn start(place: &Place, recipe: &str, arguments: &[&str]) -> Running {
    let mut command = place.command(place.path(recipe), "bob");
    command.args(arguments);
    Running::start(command)
}

#[test]
fn there_are_ten_recipes() {
    assert_eq!(recipes().len(), 10);
}

#[test]
fn failed_cron_job_is_told() {
    let place = place_with("chat-cron");
    expect_success(place.script("chat-cron", &["true"], ""));
    let failed = place.script(
        "chat-cron",
        &["sh", "-c", "echo oh; echo no >&2; exit 3"],
        "",
    );
    assert_eq!(failed.status.code(), Some(3));
    let heard = heard(&place);
    assert!(heard.starts_with("bob #ops: sh on "), "{heard}");
    assert!(heard.ends_with("ended with status 3:|oh|no\n"), "{heard}");
}

#[test]
fn pushed_commits_are_told() {
    let place = place_with("post-receive");
    let git = |arguments: &[&str]| {
        let mut git = place.command("git", "bob");
        for (name, value) in [("NAME", "Bob"), ("EMAIL", "bob@example.org")] {
            git.env(format!("GIT_AUTHOR_{name}"), value);
            git.env(format!("GIT_COMMITTER_{name}"), value);
        }
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", place.path(""));
        expect_success(git.args(arguments).output().unwrap())
    };
    git(&["init", "-q", "--bare", "shared"]);
    fs::rename(
        place.path("post-receive"),
        place.path("shared/hooks/post-receive"),
    )
    .unwrap();
    git(&["init", "-q", "own"]);
    for text in ["first", "second"] {
        git(&["-C", "own", "commit", "-q", "--allow-empty", "-m", text]);
        git(&[
            "-C",
            "own",
            "push",
            "-q",
            "../shared",
            "HEAD:refs/heads/topic",
        ]);
    }
    git(&["-C", "own", "push", "-q", "../shared", ":refs/heads/topic"]);
    assert_eq!(
        heard(&place),
        "bob #ops: pushed to refs/heads/topic:|Bob: first\n\
         bob #ops: pushed to refs/heads/topic:|Bob: second\n"
    );
}

#[test]
fn alert_is_told() {
    let place = place_with("alert-to-chat");
    let body = r#"{"receiver":"chat","status":"firing","alerts":[{"status":"firing",
        "labels":{"alertname":"DiskFull","severity":"page"},
        "annotations":{"summary":"/var is full on db1"}}],"groupLabels":{}}"#;
    expect_success(place.script("alert-to-chat", &[], body));
    assert_eq!(
        heard(&place),
        "bob #ops: alert DiskFull|    /var is full on db1\n"
    );
}

#[test]
fn error_in_log_is_told() {
    let place = place_with("watch-log");
    place.write("log", "ERROR old\n", 0o600);
    let watching = start(&place, "watch-log", &["log"]);
    let mut log = fs::File::options()
        .append(true)
        .open(place.path("log"))
        .unwrap();
    let mut told = String::new();
    // Until `tail` has opened the file, nothing is seen.
    wait_until("an error is told", || {
        log.write_all(b"fine\nERROR new\n").unwrap();
        told = heard(&place);
        !told.is_empty()
    });
    drop(watching);
    assert!(
        told.lines().all(|line| line == "bob #ops: ERROR new"),
        "{told}"
    );
}

#[test]
fn bot_keeps_its_list() {
    let place = place_with("todo-bot");
    let bot = start(&place, "todo-bot", &[]);
    place.client("ann", &["send", "--to=bob", "add milk; $(touch x)"]);
    wait_until("the bot has written", || !place.read("todo.txt").is_empty());
    drop(bot);
    let _bot = start(&place, "todo-bot", &[]);
    place.client("ann", &["send", "--to=bob", "add eggs"]);
    place.client("ann", &["send", "--to=bob", "list"]);
    let mut told = String::new();
    wait_until("the bot has answered", || {
        told = heard(&place);
        !told.is_empty()
    });
    let entries: Vec<&str> = told.trim_end().split('|').collect();
    assert_eq!(entries.len(), 2, "{told}");
    assert!(entries[0].ends_with("ann: milk; $(touch x)"), "{told}");
    assert!(entries[1].ends_with("ann: eggs"), "{told}");
    assert!(!place.path("x").exists());
}

#[test]
fn rooms_are_bridged() {
    let place = place_with("bridge");
    for user in ["ann", "bob"] {
        place.client(user, &["join", "#all"]);
    }
    let _there = start(&place, "bridge", &["#ops", "#all"]);
    let _back = start(&place, "bridge", &["#all", "#ops"]);
    let mut told = String::new();
    // A message that is sent before both have logged in for the first time is none of theirs.
    wait_until("a message is bridged", || {
        place.client("ann", &["send", "--to=#ops", "hi"]);
        told = heard(&place);
        !told.is_empty()
    });
    assert!(
        told.lines().all(|line| line == "bob #all: ann: hi"),
        "{told}"
    );
}

#[test]
fn backup_is_told() {
    let place = place_with("backup-notice");
    fs::create_dir(place.path("data")).unwrap();
    expect_success(place.script("backup-notice", &["data", "data.tgz"], ""));
    let heard_of = heard(&place);
    assert!(
        heard_of.starts_with("bob #ops: backup of data: "),
        "{heard_of}"
    );
    let failed = place.script("backup-notice", &["nothing", "data.tgz"], "");
    assert_eq!(failed.status.code(), Some(1));
    let heard_of = heard(&place);
    assert!(
        heard_of.contains("THE BACKUP OF nothing FAILED"),
        "{heard_of}"
    );
}

#[test]
fn full_disk_is_told_once() {
    let place = place_with("disk-full");
    expect_success(place.script("disk-full", &["101"], ""));
    assert_eq!(heard(&place), "");
    // Two days may begin between two runs, but not three.
    for _ in 0..3 {
        expect_success(place.script("disk-full", &["0"], ""));
    }
    let heard = heard(&place);
    assert!((1..=2).contains(&heard.lines().count()), "{heard}");
    assert!(heard.contains(" is full to "), "{heard}");
}

#[test]
fn digest_counts_messages() {
    let place = place_with("digest");
    // The session begins with what comes after its first login, if it is not the first of all.
    expect_success(place.script("digest", &["ann"], ""));
    for text in ["one", "two"] {
        place.client("ann", &["send", "--to=bob,#ops", text]);
    }
    expect_success(place.script("digest", &["ann"], ""));
    let told = heard(&place);
    let words: Vec<&str> = told.split_whitespace().collect();
    assert_eq!(words, ["bob:", "2", "ann"], "{told}");
    expect_success(place.script("digest", &["ann"], ""));
    assert_eq!(heard(&place), "");
}

#[test]
fn deployment_is_told() {
    let place = place_with("deploy-notice");
    expect_success(place.script("deploy-notice", &["1.2", "true"], ""));
    let failed = place.script("deploy-notice", &["1.3", "sh", "-c", "exit 4"], "");
    assert_eq!(failed.status.code(), Some(4));
    assert_eq!(
        heard(&place),
        "bob #ops: deploying 1.2\nbob #ops: deployed 1.2\n\
         bob #ops: deploying 1.3\nbob #ops: 1.3 was NOT deployed (status 4)\n"
    );
}
