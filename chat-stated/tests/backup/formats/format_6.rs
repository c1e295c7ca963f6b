//! What the fixture of format 6 has that older ones have not.

use chat_model::{Message, MessageNumber, SentTo};
use chat_stated::entry::TokenDigest;
use chat_stated::state::{SliceLimits, State};

const ALL: SliceLimits = SliceLimits {
    messages: usize::MAX,
    text_bytes: usize::MAX,
    names_groups: true,
};

/// Accounts of the fixture that only this format needs.
const OWN_ACCOUNTS: usize = 3;

/// Checks all that is of format 6, and says how many accounts it has for that.
pub(super) fn check(state: &State) -> usize {
    check_sessions(state);
    check_rooms(state);
    check_queues(state);
    let (erin, _) = state.account("erin").unwrap();
    assert!(state.token_names(erin).iter().eq(["cron"]));
    assert!(state.has_token(erin, &TokenDigest([7; 32])));
    let (_, frank) = state.account("frank").unwrap();
    assert_eq!(frank.password_version, 1);
    assert!(state.keeping().rules.keeps_direct);
    assert_eq!(state.session_limits().unused_ms, 1_000_000);
    OWN_ACCOUNTS
}

fn check_sessions(state: &State) {
    let (erin, _) = state.account("erin").unwrap();
    let (online, offline) = state.sessions_of(erin);
    assert_eq!(online, ["erin", "erin/phone"]);
    assert_eq!(offline, [""; 0], "erin/desk was dropped");
}

fn check_rooms(state: &State) {
    let (erin, _) = state.account("erin").unwrap();
    let (grace, _) = state.account("grace").unwrap();
    assert!(state.rooms_of(erin).iter().eq(["#tea"]), "#milk has ended");
    let members = state.members_of(erin, "#tea").unwrap();
    assert!(members.iter().eq(["~erin", "@frank"]));
    assert!(state.members_of(grace, "#tea").is_none(), "it is private");
    assert_eq!(
        state.topic_of(erin, "#tea"),
        chat_model::Outcome::Topic("green".into())
    );
}

fn check_queues(state: &State) {
    let to_erin = ["15 frank #tea: mixed", "16 frank #tea: a job"];
    let plain = [&["2 alice *: to all"], &to_erin[..]].concat();
    assert_eq!(queues(state, "erin"), [plain, to_erin.to_vec()]);
    let franks = ["2 alice *: to all", "14 * #tea -7: ", "18 erin #tea: once"];
    assert_eq!(queues(state, "frank"), [franks]);
    let graces = [
        "2 alice *: to all",
        "10 * #tea: erin invited you",
        "11 * #milk: erin banned grace",
        "15 frank (grace #tea erin): mixed",
        "18 erin (#tea grace): once",
    ];
    assert_eq!(queues(state, "grace"), [graces]);
}

/// What waits for an account at each of its places.
fn queues(state: &State, name: &str) -> Vec<Vec<String>> {
    let (account, _) = state.account(name).unwrap();
    let everything = (MessageNumber(0), MessageNumber(u64::MAX));
    let readers = state.readers(account);
    let queues = readers.map(|reader| {
        let slice = state.read_queue(reader, everything.0, everything.1, ALL);
        slice.messages.iter().map(line).collect()
    });
    queues.collect()
}

fn line(message: &Message<'_>) -> String {
    let (number, sender, text) = (message.number.0, message.sender, message.text);
    let went_to = match &message.sent_to {
        SentTo::People => String::new(),
        SentTo::Everyone => " *".to_owned(),
        SentTo::Group(names) => format!(" ({names})"),
        SentTo::Room(room) | SentTo::NoticeOf(room) => format!(" {room}"),
        SentTo::GapIn(room, messages) => format!(" {room} -{messages}"),
    };
    format!("{number} {sender}{went_to}: {text}")
}
