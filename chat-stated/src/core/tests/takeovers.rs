//! Sessions that begin again elsewhere.

use chat_model::{Password, SessionName};

use super::*;

/// The connection that logs in to the session first, and the one that takes it over.
const OLD: u64 = 2;
const NEW: u64 = 3;

impl Attached {
    fn connect(&mut self, serial: u64) {
        self.say(&FromWorker::ClientConnected {
            connection: ConnectionSerial(serial),
            address: [127, 0, 0, 1].into(),
            is_known: true,
        });
    }

    fn log_in_to_phone(&mut self, serial: u64) {
        let (account, _) = self.core.state.account("ann").unwrap();
        let log_in = Attempt::LogIn {
            account,
            session: UserSession::Named(SessionName::parse("phone").unwrap()),
            address: [127, 0, 0, 1].into(),
            password_version: 0,
            new_secret: None,
            asked_boot_ms: None,
        };
        self.push_request(serial, 1, log_in);
    }

    /// A worker asks for a login to the same session, of which it heard so long after the start.
    fn ask_for_phone(&mut self, serial: u64, asked_ms: u64) {
        self.say_log_in(serial, asked_ms);
        settle(&mut self.core);
    }

    fn say_log_in(&mut self, serial: u64, asked_ms: u64) {
        self.ask_with(serial, asked_ms, b"pw");
    }

    fn ask_with(&mut self, serial: u64, asked_ms: u64, password: &[u8]) {
        let request = Request::LogIn {
            name: "ann/phone".into(),
            password: Password::borrowed(password),
            address: [127, 0, 0, 1].into(),
            asked_boot_ms: START.boot_ms + asked_ms,
        };
        self.say(&FromWorker::Request(RequestItem {
            connection: ConnectionSerial(serial),
            offset: StreamOffset(1),
            answered: StreamOffset(0),
            progress: Progress::default(),
            request,
        }));
    }

    fn is_logged_in(&self, serial: u64) -> bool {
        let serial = ConnectionSerial(serial);
        let reader = self.core.state.reader_on(ConnectionId {
            serial,
            ..self.connection
        });
        reader.is_some()
    }

    /// What the old connection was told since this was last called: an answer, or the word that ends it.
    fn old_was_told(&mut self) -> Vec<String> {
        let output = self.core.output(0).unwrap();
        let mut told = Vec::new();
        for payload in take_frames(output) {
            // What cannot be read is the greeting.
            for item in decode_items::<ToWorker<'_>>(&payload).map_while(Result::ok) {
                match item {
                    ToWorker::Reply {
                        connection,
                        outcome,
                        ..
                    } if connection.0 == OLD => told.push(format!("{outcome:?}")),
                    ToWorker::Replaced { connection } if connection.0 == OLD => {
                        told.push("Replaced".to_owned());
                    }
                    _ => {}
                }
            }
        }
        told
    }
}

fn with_old_session() -> Attached {
    let mut worker = Attached::new();
    worker.connect(OLD);
    worker.connect(NEW);
    worker.log_in_to_phone(OLD);
    settle(&mut worker.core);
    worker
}

#[test]
fn line_behind_takeover_is_not_refused() {
    let mut worker = with_old_session();
    worker.old_was_told();
    worker.log_in_to_phone(NEW);
    // It came before the worker could know.
    let send = Attempt::Send {
        audience: Audience::Accounts(NameList::one("ann")),
        text: "too late".to_owned(),
    };
    worker.push_request(OLD, 10, send);
    settle(&mut worker.core);
    let told = worker.old_was_told();
    assert!(!told.is_empty());
    assert!(told.iter().all(|word| word == "Replaced"), "{told:?}");
    assert_eq!(worker.core.state.waiting_messages(), 0);
}

#[test]
fn login_without_answer_may_be_replaced() {
    let mut worker = with_old_session();
    worker.log_in_to_phone(NEW);
    settle(&mut worker.core);
    // The daemon dies before the worker hears of either.
    let mut worker = worker.resumed_with(&[(1, 1), (OLD, 0), (NEW, 0)]);
    worker.ask_for_phone(OLD, 0);
    let told = worker.old_was_told();
    assert_eq!(
        told.first().map(String::as_str),
        Some("Replaced"),
        "{told:?}"
    );
    assert!(!worker.is_logged_in(OLD), "it would log in again");
}

/// With a password that need not be hashed.
fn with_known_password() -> Attached {
    let mut worker = Attached::new();
    let (account, record) = worker.core.state.account("ann").unwrap();
    let version = record.password_version;
    worker.core.logins.remember(account, version, b"pw");
    for serial in [OLD, NEW, NEW + 1] {
        worker.connect(serial);
    }
    worker
}

#[test]
fn older_login_does_not_take_over() {
    let mut worker = with_known_password();
    worker.core.begin_turn(after_ms(1_000));
    worker.ask_for_phone(NEW, 700);
    assert!(worker.is_logged_in(NEW));
    worker.old_was_told();
    // The daemon that it was asked of first has died. Its client may have, too: nobody can tell.
    worker.core.begin_turn(after_ms(2_000));
    worker.ask_for_phone(OLD, 699);
    assert_eq!(worker.old_was_told(), ["Replaced"]);
    assert!(worker.is_logged_in(NEW) && !worker.is_logged_in(OLD));
    worker.ask_for_phone(NEW + 1, 701);
    assert!(worker.is_logged_in(NEW + 1) && !worker.is_logged_in(NEW));
}

#[test]
fn login_read_late_does_not_take_over() {
    let mut worker = with_known_password();
    worker.core.begin_turn(after_ms(1_000));
    // Both came in this turn, and the older one was read last: it lay on the socket of another worker.
    worker.say_log_in(NEW, 1_002);
    worker.say_log_in(OLD, 1_001);
    settle(&mut worker.core);
    assert_eq!(worker.old_was_told(), ["Replaced"]);
    assert!(worker.is_logged_in(NEW) && !worker.is_logged_in(OLD));
}

#[test]
fn password_hashed_late_does_not_take_over() {
    let mut worker = with_known_password();
    worker.core.begin_turn(after_ms(1_000));
    worker.ask_with(OLD, 900, b"another");
    // The pool takes its time.
    worker.core.actions.clear();
    let ticket = worker.core.logins.waiting.keys().next().copied().unwrap();
    worker.core.begin_turn(after_ms(2_000));
    worker.ask_for_phone(NEW, 1_900);
    let right = PasswordResult::Verified {
        right: true,
        new_secret: None,
    };
    worker.core.password_done(ticket, right);
    settle(&mut worker.core);
    assert_eq!(worker.old_was_told(), ["Replaced"]);
    assert!(worker.is_logged_in(NEW) && !worker.is_logged_in(OLD));
}

#[test]
fn login_of_ended_worker_is_passed_over() {
    let mut worker = with_known_password();
    worker.core.begin_turn(after_ms(1_000));
    worker.core.link_hung_up(0);
    worker.ask_for_phone(OLD, 999);
    assert!(!worker.is_logged_in(OLD));
    let (account, _) = worker.core.state.account("ann").unwrap();
    let (online, offline) = worker.core.state.sessions_of(account);
    assert_eq!((online.len(), offline.len()), (1, 0), "no place is made");
}
