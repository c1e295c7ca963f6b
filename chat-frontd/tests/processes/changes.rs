//! What `chatctl` changes in the state of a server that runs.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::control::{json, read_until};
use crate::installation::{CHATCTL, Installation, STATED, Said, bin_dir, kill, wait_until};

const SHA1_OF_PASSWORD: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";

impl Installation {
    /// With this on its standard input.
    fn chatctl_given(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(bin_dir().join(CHATCTL));
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tool = command.spawn().unwrap();
        // It may have refused before it reads.
        let _ = tool.stdin.take().unwrap().write_all(input.as_bytes());
        let output = tool.wait_with_output().unwrap();
        Said {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn account_file(&self) -> String {
        fs::read_to_string(self.file("user_pass.txt")).unwrap()
    }

    fn kill_state_process(&self) {
        let restarts = || self.status(STATED).unwrap().children[0].restarts;
        let before = restarts();
        kill(self.children(STATED)[0], Signal::SIGKILL);
        wait_until("another state process serves", || {
            restarts() > before && self.chatctl(&["accounts", "list"]).status == 0
        });
    }
}

#[test]
fn lifted_block_outlives_state_process() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut stranger = installation.client(&["bob", "x", "x", "x"]);
    read_until(&mut stranger, "password");
    wait_until("bob is blocked", || {
        let blocks = installation.chatctl(&["blocks", "list"]);
        blocks.out.contains("bob")
    });
    installation.chatctl(&["blocks", "lift"]).expect_status(64);
    installation
        .chatctl(&["blocks", "lift", "nobody"])
        .expect_status(1)
        .expect_err("there is no account nobody");
    installation
        .chatctl(&["blocks", "lift", "bob", "--source", "192.0.2.1"])
        .expect_status(0)
        .expect_out("no such block holds\n");
    installation
        .chatctl(&["blocks", "lift", "bob"])
        .expect_status(0)
        .expect_out("1 block is lifted\n");
    let log = installation.log(STATED);
    assert!(
        log.contains("security: event=blocks-lift user=bob by uid="),
        "{log}"
    );
    installation.kill_state_process();
    let mut bob = installation.client(&["bob", "password"]);
    read_until(&mut bob, "welcome");
    let again = installation.chatctl(&["blocks", "lift", "--all", "--json"]);
    assert_eq!(json(&again)["blocks"], 0);
}

#[test]
fn added_account_and_password_are_in_file() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let add = |input: &str| installation.chatctl_given(&["accounts", "add", "eve"], input);
    add("").expect_status(1).expect_err("no password");
    assert!(!installation.account_file().contains("eve"));
    add("tulip field\n")
        .expect_status(0)
        .expect_out("eve is added\n");
    assert!(installation.account_file().contains("\neve,$argon2id$"));
    add("other\n")
        .expect_status(1)
        .expect_err("there is such an account already");
    installation
        .chatctl_given(&["accounts", "add", "send me"], "x\n")
        .expect_status(1)
        .expect_err("cannot be the name");
    let mut eve = installation.client(&["eve", "tulip field"]);
    read_until(&mut eve, "welcome");

    installation
        .chatctl_given(&["accounts", "passwd", "eve"], "rose garden")
        .expect_status(0)
        .expect_out("eve has a new password");
    let mut rest = Vec::new();
    eve.read_to_end(&mut rest).unwrap();
    installation.kill_state_process();
    installation.script("reload").expect_status(0);
    let mut eve = installation.client(&["eve", "tulip field", "rose garden"]);
    read_until(&mut eve, "welcome");
    let log = installation.log(STATED);
    for event in ["account-add", "account-passwd"] {
        let line = format!("security: event={event} user=eve by uid=");
        assert!(log.contains(&line), "{log}");
    }
    for password in ["tulip", "rose"] {
        assert!(!log.contains(password), "{log}");
    }
}

#[test]
fn disabled_account_stays_so_until_enabled() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut bob = installation.client(&["bob", "password"]);
    read_until(&mut bob, "welcome");
    let ctl = |act| installation.chatctl(&["accounts", act, "bob"]);
    ctl("enable")
        .expect_status(0)
        .expect_out("bob is enabled already\n");
    // The login has made a stronger line, which is on its way to the file.
    wait_until("bob is disabled", || ctl("disable").status == 0);
    let mut rest = Vec::new();
    bob.read_to_end(&mut rest).unwrap();
    let file = installation.account_file();
    assert!(file.contains("\n#disabled:bob,$argon2id$"), "{file}");
    assert!(!file.contains("\nbob,"), "{file}");
    ctl("disable")
        .expect_status(0)
        .expect_out("bob is disabled already\n");
    installation.kill_state_process();
    installation.script("reload").expect_status(0);
    let mut refused = installation.client(&["bob"]);
    read_until(&mut refused, "username");
    ctl("enable")
        .expect_status(0)
        .expect_out("bob is enabled\n");
    installation.kill_state_process();
    let mut bob = installation.client(&["bob", "password"]);
    read_until(&mut bob, "welcome");
    assert!(installation.account_file().contains("\nbob,$argon2id$"));
}

#[test]
fn changed_line_ends_session_at_reload() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut ann = installation.client(&["ann", "password"]);
    read_until(&mut ann, "welcome");
    let mut bob = installation.client(&["bob", "password"]);
    read_until(&mut bob, "welcome");
    let other = SHA1_OF_PASSWORD.replace('5', "6");
    let file = installation.account_file() + &format!("bob,{other}\n");
    fs::write(installation.file("user_pass.txt"), file).unwrap();
    installation.script("reload").expect_status(0);
    let mut rest = Vec::new();
    bob.read_to_end(&mut rest).unwrap();
    ann.get_mut().write_all(b"who\n").unwrap();
    read_until(&mut ann, "ann");
}

#[test]
fn closed_registration_answers_username() {
    let installation = Installation::of_ann_and_bob();
    fs::write(
        installation.file("chatserv.toml"),
        "[accounts]\nregistration = \"closed\"\n",
    )
    .unwrap();
    installation.script("start").expect_status(0);
    assert_eq!(installation.ask(), "username\n");
    installation
        .chatctl_given(&["accounts", "add", "eve"], "tulip field\n")
        .expect_status(0);
    let mut eve = installation.client(&["eve", "tulip field"]);
    read_until(&mut eve, "welcome");
    fs::write(
        installation.file("chatserv.toml"),
        "[accounts]\nregistration = \"open\"\n",
    )
    .unwrap();
    installation.script("reload").expect_status(0);
    assert_eq!(installation.ask(), "register\n");
}

#[test]
fn forgotten_account_leaves_no_secret() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut ann = installation.client(&["ann", "password", "send bob hello", "who"]);
    read_until(&mut ann, "ann");
    let forget = |more: &[&str]| {
        let arguments = [&["accounts", "forget", "bob"], more].concat();
        installation.chatctl(&arguments)
    };
    forget(&[])
        .expect_status(5)
        .expect_out("1 messages of 5 bytes and 0 broadcasts wait for bob, the oldest for ");
    assert!(installation.account_file().contains("\nbob,"));
    forget(&["--yes"])
        .expect_status(0)
        .expect_out("bob is forgotten; 1 messages of 5 bytes and 0 broadcasts were given up\n");
    let file = installation.account_file();
    assert!(
        file.contains("\n#disabled:bob\n") && !file.contains("bob,"),
        "{file}"
    );
    forget(&[])
        .expect_status(5)
        .expect_out("nothing waits for bob");
    installation.kill_state_process();
    installation.script("reload").expect_status(0);
    let mut stranger = installation.client(&["bob"]);
    read_until(&mut stranger, "username");
    installation
        .chatctl(&["accounts", "enable", "bob"])
        .expect_status(1)
        .expect_err("add it again");
    installation
        .chatctl_given(&["accounts", "add", "bob"], "tulip field\n")
        .expect_status(0);
    let mut bob = installation.client(&["bob", "tulip field"]);
    read_until(&mut bob, "welcome");
}

#[test]
fn announcement_reaches_everybody() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut bob = installation.client(&["bob", "password", "push on"]);
    read_until(&mut bob, "push:on");
    installation
        .chatctl(&["announce", "back at noon", "--from", "ann"])
        .expect_status(0)
        .expect_out("it is announced\n");
    let mut line = String::new();
    while !line.ends_with("] ann: back at noon\n") {
        line.clear();
        assert!(bob.read_line(&mut line).unwrap() > 0);
    }
    installation
        .chatctl(&["announce", "hi", "--from", "nobody"])
        .expect_status(1)
        .expect_err("there is no account nobody");
}

#[test]
fn import_names_lines_it_leaves_out() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let list = installation.file("list");
    let lines = "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n\
        eve:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=:1000::\n\
        # a comment\n\
        dan:$2y$05$abcdefghijklmnopqrstuv\n\
        send:{PLAIN}tulip\n\
        cy:{PLAIN}tulip field\n";
    fs::write(&list, lines).unwrap();
    let import = |more: &[&str]| {
        let list = list.to_str().unwrap();
        let arguments = [&["accounts", "import", list], more].concat();
        installation.chatctl(&arguments)
    };
    import(&["--dry-run"])
        .expect_status(1)
        .expect_out("accounts to add: 2, lines to leave out: 3\n");
    assert!(!installation.account_file().contains("eve"));
    import(&[])
        .expect_status(1)
        .expect_out("line 1: ann: there is such an account already, or an earlier line\n")
        .expect_out("line 4: dan: hashes of bcrypt cannot be taken\n")
        .expect_out("line 5: send cannot be the name of an account\n")
        .expect_out("accounts added: 2, lines left out: 3\n");
    for (name, password) in [("eve", "password"), ("cy", "tulip field")] {
        let mut client = installation.client(&[name, password]);
        read_until(&mut client, "welcome");
    }
    let again = json(&import(&["--json"]));
    assert_eq!(again["added"], 0);
    assert_eq!(again["left_out"].as_array().unwrap().len(), 5);
    let log = installation.log(STATED);
    let line = "security: event=account-import user=eve by uid=";
    assert!(log.contains(line), "{log}");
    assert!(!log.contains("tulip"), "{log}");
}
