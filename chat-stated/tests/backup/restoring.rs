//! Putting a backup into an empty run directory and starting.

use std::fs;

use chat_model::{Password, Request};
use chat_stated::stored_state::StoredBackup;

use super::installation::{Installation, text};
use super::worker::{HERE, Worker};

/// With two messages for bob, three wrong passwords for carol, dave registered, and alice online.
fn busy_installation() -> (Installation, Worker) {
    let installation = Installation::with_accounts(&["alice", "bob", "carol"]);
    installation.start();
    let mut worker = Worker::attach(&installation);
    worker.log_in(1, "alice");
    worker.send(1, "bob", "one");
    worker.send(1, "bob", "two");
    assert_eq!(worker.fail(2, "carol"), "PasswordNeeded");
    assert_eq!(worker.fail(2, "carol"), "PasswordNeeded");
    assert!(worker.fail(2, "carol").starts_with("Locked"));
    let register = Request::Register {
        name: "dave".into(),
        password: Password::borrowed(b"password"),
        address: HERE,
    };
    assert_eq!(worker.answer(3, register), "Registered");
    (installation, worker)
}

#[test]
fn restore_brings_back_all_but_sessions() {
    let (installation, _attached) = busy_installation();
    let file = installation.path("b.backup");
    installation.back_up(&file);
    let accounts = fs::read(installation.path("user_pass.txt")).unwrap();

    let restored = Installation::to_restore(&file);
    restored.start();
    let log = restored.log();
    assert!(log.contains("restored the backup of 20"), "{log}");
    assert!(log.contains("4 accounts, 2 waiting messages"), "{log}");
    assert_eq!(fs::read(restored.path("user_pass.txt")).unwrap(), accounts);
    assert!(!restored.path("restore.backup").exists());

    let mut worker = Worker::attach(&restored);
    let texts = |messages: Vec<(_, String)>| messages.into_iter().map(|(_, text)| text);
    let bobs: Vec<String> = texts(worker.log_in(1, "bob")).collect();
    assert_eq!(bobs, ["one", "two"]);
    assert!(worker.name(2, "carol").starts_with("Blocked"));
    worker.log_in(3, "dave");
    // Her session was with a worker of the other installation.
    worker.log_in(4, "alice");
    worker.send(4, "bob", "three");
    assert_eq!(worker.name(5, "nobody"), "NameFree");

    // What was restored is a state like any other.
    let again = restored.back_up(&restored.path("again.backup"));
    assert_eq!(again.stored.state.waiting_messages(), 3);
    restored.stop();
    let checked = restored.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
}

#[test]
fn state_that_is_there_is_never_replaced() {
    let (installation, _attached) = busy_installation();
    let file = installation.path("b.backup");
    installation.back_up(&file);
    let other = Installation::with_accounts(&["eve"]);
    other.start();
    other.stop();
    let journal = fs::read(other.path("state/journal.db")).unwrap();
    fs::copy(&file, other.path("restore.backup")).unwrap();
    let refused = other.try_start();
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("there is a state in"), "{said}");
    assert_eq!(fs::read(other.path("state/journal.db")).unwrap(), journal);
    // Without the backup it goes on as before.
    fs::remove_file(other.path("restore.backup")).unwrap();
    other.start();
    Worker::attach(&other).log_in(1, "eve");
}

#[test]
fn another_account_file_is_never_replaced() {
    let (installation, _attached) = busy_installation();
    let file = installation.path("b.backup");
    installation.back_up(&file);
    let restored = Installation::to_restore(&file);
    fs::write(restored.path("user_pass.txt"), "# mine\n").unwrap();
    let refused = restored.try_start();
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("user_pass.txt is there already"), "{said}");
    assert!(restored.path("restore.backup").exists());
    fs::remove_file(restored.path("user_pass.txt")).unwrap();
    restored.start();
}

#[test]
fn damaged_backup_is_not_restored() {
    let (installation, _attached) = busy_installation();
    let file = installation.path("b.backup");
    installation.back_up(&file);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let restored = Installation::to_restore(&file);
    let refused = restored.try_start();
    assert!(!refused.status.success());
    let said = text(&refused.stderr);
    assert!(said.contains("restore.backup is damaged: frame"), "{said}");
    assert!(!restored.path("state/journal.db").exists());
    assert!(!restored.path("user_pass.txt").exists());
}

/// A death at each point of a restore: what is there then is made into the same again.
#[test]
fn interrupted_restore_is_repeated() {
    let (installation, _attached) = busy_installation();
    let file = installation.path("b.backup");
    installation.back_up(&file);
    let whole = Installation::to_restore(&file);
    whole.start();
    whole.stop();
    let made = ["state/journal.db", "state/checkpoint.db", "user_pass.txt"];
    for died_after in 0..=made.len() {
        let restored = Installation::empty();
        fs::copy(&file, restored.path("restoring.backup")).unwrap();
        fs::create_dir(restored.path("state")).unwrap();
        fs::write(restored.path("state/journal.db.new"), "half").unwrap();
        for name in &made[..died_after] {
            fs::copy(whole.path(name), restored.path(name)).unwrap();
        }
        restored.start();
        assert!(restored.log().contains("beginning it again"));
        assert!(!restored.path("restoring.backup").exists());
        let mut worker = Worker::attach(&restored);
        assert_eq!(worker.log_in(1, "bob").len(), 2, "after {died_after}");
    }
}

#[test]
fn backup_of_restored_backup_is_same_state() {
    let (installation, _attached) = busy_installation();
    let file = installation.path("b.backup");
    let first = installation.back_up(&file);
    let restored = Installation::to_restore(&file);
    restored.start();
    let name = restored.path("again.backup");
    restored.back_up(&name);
    let second = StoredBackup::read(&name).unwrap();
    let records = |backup: &StoredBackup| -> Vec<(String, String)> {
        let records = backup.stored.state.records();
        records
            .map(|(_, record)| (record.name.to_string(), record.secret.to_string()))
            .collect()
    };
    assert_eq!(records(&first), records(&second));
    assert_eq!(
        first.stored.state.last_message(),
        second.stored.state.last_message()
    );
    assert!(second.head.last >= first.head.last);
}
