//! Dialogues that a running installation holds, byte for byte: those of `tests/transcripts/`, each started by
//! `scripts/start` in a run directory of its own, and those of another directory if `CHAT_TRANSCRIPTS` names one.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::dialogue::Dialogue;
use support::document;
use support::installation::Transport;
use support::replay::{FORMS, Form, replay};

fn own_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn replay_file(directory: &Path, file: &str, form: Form) -> Result<(), String> {
    let dialogue = Dialogue::read(&directory.join(file))?;
    let accounts = directory.join("user_pass.txt");
    replay(&dialogue, &accounts, form, Transport::Plain)
}

fn chat_files(directory: &Path) -> BTreeSet<String> {
    std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("the directory can be read").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".chat"))
        .collect()
}

/// Makes a test of each file for each form it is replayed in, and a list of them all.
macro_rules! dialogues {
    ($($kind:ident $name:ident,)*) => {
        $(mod $name {
            use super::*;
            const FILE: &str = concat!(stringify!($name), ".chat");
            dialogues!(@$kind);
        })*
        const TESTED: &[(&str, &str)] = &[$((concat!(stringify!($name), ".chat"), stringify!($kind)),)*];
    };
    (@as_written) => {
        dialogues!(@form as_written AsWritten);
    };
    (@every_form) => {
        dialogues!(@form as_written AsWritten);
        dialogues!(@form byte_by_byte ByteByByte);
        dialogues!(@form at_once AtOnce);
    };
    (@form $test:ident $form:ident) => {
        #[test]
        fn $test() {
            if let Err(report) = replay_file(&own_directory(), FILE, Form::$form) {
                panic!("{report}");
            }
        }
    };
}

dialogues! {
    every_form accounts_added,
    every_form accounts_at_start,
    every_form accounts_removed,
    every_form accounts_removed_online,
    every_form accounts_upgraded,
    every_form args_wrong,
    every_form block_before_connected,
    as_written block_outlives_kill,
    every_form broadcast,
    every_form commands_unknown,
    every_form disconnected_names,
    every_form errors_cleaned,
    every_form failures_block,
    as_written failures_cleared_by_block,
    every_form failures_cleared_by_login,
    every_form failures_empty_password,
    as_written failures_forgotten,
    every_form failures_meanwhile,
    every_form failures_over_connections,
    every_form features,
    every_form fin_answered,
    every_form fin_at_each_step,
    every_form fin_confirms_nothing,
    every_form history,
    every_form history_absent,
    as_written history_outlives_kill,
    every_form history_rooms,
    as_written history_rooms_killed,
    every_form history_send_only,
    every_form ids,
    as_written ids_push,
    every_form line_breaks,
    as_written line_limit,
    as_written line_limit_before_login,
    every_form lines_after_close,
    every_form login_elsewhere,
    every_form logout_keeps_unseen,
    every_form logout_sent_ahead,
    every_form many_lines_at_once,
    as_written master_killed,
    every_form messages_at_login,
    every_form name_from_older_file,
    every_form name_refused,
    every_form once,
    as_written once_killed,
    as_written other_worker_unharmed,
    every_form passwd,
    every_form passwd_block,
    as_written passwd_killed,
    as_written passwd_line_limit,
    every_form passwords,
    as_written push_ack,
    as_written push_on,
    every_form register_file,
    every_form register_passwords,
    every_form register_refused,
    every_form register_taken,
    as_written reset_after_speaking,
    every_form reset_keeps_messages,
    as_written restart,
    every_form rooms,
    every_form rooms_args,
    as_written rooms_killed,
    every_form rooms_operated,
    every_form send_group,
    every_form send_order,
    every_form send_unknown,
    as_written sessions,
    as_written sessions_killed,
    as_written sessions_late,
    every_form sessions_names,
    as_written sessions_send_only,
    as_written state_away,
    as_written state_killed,
    as_written state_killed_meanwhile,
    as_written state_killed_push,
    as_written state_killed_register,
    every_form text_cleaning,
    as_written timeout_clock_stands,
    as_written timeout_confirms_nothing,
    as_written timeout_each_step,
    as_written timeout_half_line,
    every_form to,
    as_written to_killed,
    every_form tokens,
    every_form white_space,
    as_written who_and_last,
    as_written worker_killed,
}

#[test]
fn every_file_has_its_tests() {
    let tested: BTreeSet<String> = TESTED.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(tested, chat_files(&own_directory()));
    for (file, kind) in TESTED {
        let dialogue = Dialogue::read(&own_directory().join(file)).unwrap();
        assert_eq!(
            dialogue.as_written_only,
            *kind == "as_written",
            "{file}: the file and the list must say the same about its forms"
        );
    }
}

/// Replays many at a time; fails with the reports of all that went wrong.
fn replay_all(dialogues: &[Dialogue], accounts: &Path, transport: Transport) {
    let reports: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = dialogues
            .iter()
            .flat_map(|dialogue| FORMS.map(|form| (dialogue, form)))
            .map(|(dialogue, form)| {
                scope.spawn(move || {
                    let result = replay(dialogue, accounts, form, transport);
                    let outcome = if result.is_ok() { "ok" } else { "FAILED" };
                    eprintln!("{} ({form:?}): {outcome}", dialogue.name);
                    result
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("replaying does not panic"))
            .filter_map(Result::err)
            .collect()
    });
    assert!(reports.is_empty(), "{}", reports.join("\n==========\n"));
}

/// The directory is that of `CHAT_TRANSCRIPTS`, or else `given/` here: the first dialogues there ever were.
#[test]
fn another_directory() {
    let directory = std::env::var_os("CHAT_TRANSCRIPTS")
        .map_or_else(|| own_directory().join("given"), PathBuf::from);
    let dialogues: Vec<_> = chat_files(&directory)
        .iter()
        .map(|file| Dialogue::read(&directory.join(file)).unwrap())
        .collect();
    assert!(
        !dialogues.is_empty(),
        "{}: no .chat files",
        directory.display()
    );
    replay_all(
        &dialogues,
        &directory.join("user_pass.txt"),
        Transport::Plain,
    );
}

/// Under TLS it is byte for byte the same: what is acknowledged and confirmed, too.
#[test]
fn over_tls_it_is_same() {
    const FILES: [&str; 14] = [
        "fin_answered.chat",
        "fin_at_each_step.chat",
        "fin_confirms_nothing.chat",
        "lines_after_close.chat",
        "logout_keeps_unseen.chat",
        "logout_sent_ahead.chat",
        "many_lines_at_once.chat",
        "messages_at_login.chat",
        "push_ack.chat",
        "push_on.chat",
        "reset_after_speaking.chat",
        "reset_keeps_messages.chat",
        "state_killed_push.chat",
        "timeout_confirms_nothing.chat",
    ];
    let read = |file: &&str| Dialogue::read(&own_directory().join(file)).unwrap();
    let dialogues: Vec<Dialogue> = FILES.iter().map(read).collect();
    let accounts = own_directory().join("user_pass.txt");
    replay_all(&dialogues, &accounts, Transport::Tls);
}

/// What `docs/protocol.md` shows is what one sees.
#[test]
fn examples_of_protocol_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let dialogues = document::examples("docs/protocol.md", &text).unwrap();
    assert!(dialogues.len() > 4, "only {}", dialogues.len());
    replay_all(
        &dialogues,
        &own_directory().join("user_pass.txt"),
        Transport::Plain,
    );
}
