//! Putting a backup into an empty run directory and starting.

use std::fs;

use chat_model::Outcome;
use chat_stated::stored_state::StoredBackup;

use super::installation::{Installation, text};
use super::support::PASSWORD;
use super::worker::{Worker, log_in, register, texts};

/// With two messages for bob, three wrong passwords for carol, dave registered, and alice online.
fn busy_installation() -> (Installation, Worker) {
    let installation = Installation::with_accounts(&["alice", "bob", "carol"]);
    installation.start();
    let mut worker = Worker::attach(&installation);
    let mut alice = worker.log_in("alice");
    worker.send(&mut alice, "bob", "one");
    worker.send(&mut alice, "bob", "two");
    let mut carol = worker.client();
    let mut fail = || worker.answer(&mut carol, log_in("carol", b"wrong"));
    assert_eq!(fail(), Outcome::PasswordNeeded);
    assert_eq!(fail(), Outcome::PasswordNeeded);
    assert!(matches!(fail(), Outcome::Locked { .. }));
    let mut dave = worker.client();
    let registered = worker.answer(&mut dave, register("dave", PASSWORD));
    assert_eq!(registered, Outcome::Registered);
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
    let (_, bobs) = worker.log_in_when_free("bob");
    assert_eq!(texts(&bobs.messages), ["one", "two"]);
    assert!(matches!(worker.look_up("carol"), Outcome::Blocked { .. }));
    worker.log_in("dave");
    // Her session was with a worker of the other installation.
    let (mut alice, _) = worker.log_in_when_free("alice");
    worker.send(&mut alice, "bob", "three");
    assert_eq!(worker.look_up("nobody"), Outcome::NameFree);

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
    Worker::attach(&other).log_in("eve");
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
        let (_, bobs) = worker.log_in_when_free("bob");
        assert_eq!(bobs.messages.len(), 2, "after {died_after}");
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
