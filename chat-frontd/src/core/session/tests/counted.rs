//! What a session counts of its answers and messages.

use chat_model::{OutcomeKind, RequestKind};

use super::talk::Talk;

fn count(talk: &Talk, request: RequestKind, outcome: OutcomeKind) -> u64 {
    let answers = talk.shared.counts.answers();
    let found = answers.filter(|(found, of, _)| (*found, *of) == (request, outcome));
    found.map(|(_, _, count)| count).sum()
}

#[test]
fn answers_are_counted_by_kind() {
    let mut talk = Talk::logged_in();
    talk.ask("send bob one\nsend bob two\nsend nobody x\nnonsense\nfetch\nsend\n");
    assert_eq!(count(&talk, RequestKind::LogIn, OutcomeKind::LoggedIn), 1);
    assert_eq!(count(&talk, RequestKind::Send, OutcomeKind::Stored), 2);
    let for_some = OutcomeKind::StoredForSome;
    assert_eq!(count(&talk, RequestKind::Send, for_some), 1);
    let refused = count(&talk, RequestKind::Refused, OutcomeKind::Refused);
    assert_eq!(refused, 2);
    assert_eq!(count(&talk, RequestKind::Fetch, OutcomeKind::Done), 1);
}

#[test]
fn written_messages_are_counted() {
    let mut talk = Talk::logged_in();
    for text in ["one", "two"] {
        talk.daemon.bob_writes(text);
    }
    assert_eq!(talk.shared.counts.messages_written(), 0);
    talk.ask("fetch\n");
    assert_eq!(talk.shared.counts.messages_written(), 2);
}
