//! What a reload does, and when it says so.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use crate::installation::{Installation, STATED, kill, wait_until};

#[test]
fn reload_reaches_all_children() {
    let installation = Installation::started();
    let before = installation.all_processes();
    installation.script("reload").expect_status(0);
    installation.script("reload").expect_status(0);
    assert_eq!(installation.ask(), "register\n");
    assert_eq!(installation.all_processes(), before);
    installation.script("restart").expect_status(0);
    let after = installation.all_processes();
    assert!(after.iter().all(|process| !before.contains(process)));
}

#[test]
fn reload_returns_with_its_result() {
    let installation = Installation::started();
    let accounts = installation.file("user_pass.txt");
    let kept = "kept,53649f6e45138ef119c955d04bf042562f6e2946\n";
    let before = fs::read_to_string(&accounts).unwrap() + kept;
    for number in 0..5 {
        let line = format!("new{number},53649f6e45138ef119c955d04bf042562f6e2946\n");
        fs::write(&accounts, format!("{before}{line}no comma\n")).unwrap();
        let said = installation.script("reload");
        said.expect_status(0)
            .expect_out("chat-stated: account file: ")
            .expect_out(" changes, 0 lines to be added, ")
            .expect_out("1 lines skipped: ")
            .expect_out("chat-frontd: TLS is off, so there are no files to read\n");
        assert_eq!(installation.ask_as(&format!("new{number}")), "password\n");
    }
    fs::remove_file(&accounts).unwrap();
    installation
        .script("reload")
        .expect_status(1)
        .expect_err("user_pass.txt: it is missing; the accounts stay as they are\n")
        .expect_out("chat-frontd: ");
    assert_eq!(installation.ask_as("new4"), "password\n");
    installation
        .script("status")
        .expect_status(1)
        .expect_out("  warning: ")
        .expect_out("it is missing; the accounts stay as they are\n");
    // The next registration makes it anew.
    installation.register("another");
    wait_until("nothing is to be warned of", || {
        !installation.script("status").out.contains("  warning: ")
    });
}

#[test]
fn concurrent_reloads_get_own_results() {
    let installation = Installation::started();
    let accounts = installation.file("user_pass.txt");
    let kept = "kept,53649f6e45138ef119c955d04bf042562f6e2946\n";
    let before = fs::read_to_string(&accounts).unwrap() + kept;
    let with_new = format!("{before}new,53649f6e45138ef119c955d04bf042562f6e2946\n");
    let is_done = AtomicBool::new(false);
    let reload = || {
        installation.program(STATED, &["--reload"]).expect_status(0);
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                (0..1_000)
                    .take_while(|_| !is_done.load(Ordering::Relaxed))
                    .for_each(|_| reload());
            });
        }
        let answers = (0..20).map(|turn| {
            let is_there = turn % 2 == 0;
            let content = if is_there { &with_new } else { &before };
            fs::write(installation.file("edited"), content).unwrap();
            fs::rename(installation.file("edited"), &accounts).unwrap();
            if turn % 5 == 4 {
                kill(installation.children(STATED)[0], Signal::SIGKILL);
            }
            reload();
            (is_there, installation.ask_as("new"))
        });
        let answers: Vec<_> = answers.collect();
        is_done.store(true, Ordering::Relaxed);
        for (is_there, answer) in answers {
            let wanted = if is_there { "password\n" } else { "username\n" };
            assert_eq!(answer, wanted);
        }
    });
}
