//! Which conversation things go to, and moving between them.

use std::time::Duration;

use super::Run;
use crate::screen::model::transcript::{Author, History};
use crate::screen::model::{Action, Input, Notifying};
use crate::screen::settings::Settings;

fn open_tea(run: &mut Run) {
    run.press("/win 3\r");
    run.answer("members #tea", "members:~ann bob");
    run.answer("topic #tea", "topic:green only");
    run.answer(
        "history #tea 50",
        "history:1\n<2026-11-22T11:18:30Z> #3 ann #tea: old",
    );
}

#[test]
fn room_is_opened_with_its_history() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    assert_eq!((run.current().as_str(), run.texts()), ("#tea", vec!["old"]));
    let tea = run.model.transcripts.current();
    assert_eq!(
        (tea.topic.as_str(), tea.members.join(" ")),
        ("green only", "~ann bob".to_owned())
    );
    assert_eq!(tea.history, History::MayHaveMore);
    assert!(run.sent().is_empty());
}

#[test]
fn messages_find_their_conversation() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.hear("[2026-11-22T11:18:31Z] #4 ann: for you");
    run.hear("[2026-11-22T11:18:32Z] #5 ann #tea: for all");
    run.hear("[2026-11-22T11:18:33Z] #6 * #tea: ann set the topic: black");
    assert_eq!(run.texts(), ["old", "for all", "ann set the topic: black"]);
    assert_eq!(
        run.model.transcripts.current().entries[2].author,
        Author::Room
    );
    let bell = run
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Notify(..)));
    assert_eq!(bell.count(), 1);
    run.press("\x1ba");
    assert_eq!(
        (run.current().as_str(), run.texts()),
        ("ann", vec!["for you"])
    );
    assert_eq!(run.model.transcripts.current().mark, Some(0));
}

#[test]
fn mentions_are_collected() {
    let mut run = Run::logged_in();
    run.hear("[2026-11-22T11:18:32Z] #5 ann #tea: bob: look");
    run.hear("[2026-11-22T11:18:32Z] #6 ann #tea: bobby");
    run.press("\x1bm");
    assert_eq!(
        (run.current().as_str(), run.texts()),
        ("mentions", vec!["bob: look"])
    );
    let author = &run.model.transcripts.current().entries[0].author;
    assert_eq!(*author, Author::User("ann #tea".into()));
    run.press("\x1br");
    assert_eq!(run.current(), "#tea");
}

#[test]
fn drafts_stay_with_their_conversation() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.press("half a");
    run.press("\x1b1");
    assert!(run.model.composer.is_empty());
    run.press("\x1b3");
    assert_eq!(run.model.composer.text(), "half a");
}

#[test]
fn part_of_name_goes_there() {
    let mut run = Run::logged_in();
    run.press("\x0bte\r");
    assert_eq!(run.current(), "#tea");
    run.press("\x0bzzz\r");
    assert_eq!(run.current(), "#tea");
    run.press("typed\x01\x0b");
    assert!(run.model.switcher.is_none() && run.model.composer.is_empty());
}

#[test]
fn names_and_commands_are_completed() {
    let mut run = Run::logged_in();
    run.press("/jo\t");
    assert_eq!(run.model.composer.text(), "/join ");
    run.press("#t\t");
    assert_eq!(run.model.composer.text(), "/join #tea ");
    run.press("\x15hi an\t");
    assert_eq!(run.model.composer.text(), "hi ann ");
}

#[test]
fn ignored_user_is_not_shown() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.press("/ignore ann\r");
    run.hear("[2026-11-22T11:18:32Z] #5 ann #tea: noise");
    assert_eq!(run.texts(), ["old"]);
    run.press("/ignore ann\r");
    run.hear("[2026-11-22T11:18:33Z] #7 ann #tea: words");
    assert_eq!(run.texts(), ["old", "words"]);
}

#[test]
fn muted_conversation_rings_no_bell() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.press("/mute\r");
    run.press("\x1b1");
    run.hear("[2026-11-22T11:18:33Z] #7 ann #tea: bob!");
    assert!(
        run.actions
            .iter()
            .all(|action| !matches!(action, Action::Notify(..)))
    );
}

#[test]
fn search_shows_what_is_found() {
    let mut run = Run::logged_in();
    run.press("/search green tea\r");
    run.answer(
        "search * green tea",
        "search:1+\n<2026-11-22T11:18:30Z> #3 ann #tea: green tea",
    );
    assert_eq!(
        (run.current().as_str(), run.texts()),
        ("found", vec!["green tea"])
    );
    let topic = &run.model.transcripts.current().topic;
    assert_eq!(topic, "1 message found for: green tea. There may be more.");
}

#[test]
fn scrolling_up_asks_for_earlier_messages() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.press("\x1b[5~");
    run.answer(
        "history #tea 50 before 3",
        "history:1\n<2026-11-22T11:18:29Z> #2 ann #tea: older",
    );
    assert_eq!(run.texts(), ["older", "old"]);
    run.press("\x1b[5~");
    run.answer("history #tea 50 before 2", "history:0");
    run.press("\x1b[5~");
    assert!(run.sent().is_empty());
}

#[test]
fn scrolled_rows_stay_when_messages_come() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.give(Input::Resized(80, 10));
    for number in 10..60 {
        run.hear(&format!(
            "[2026-11-22T11:18:31Z] #{number} ann #tea: {number}"
        ));
    }
    run.press("\x1b[5~");
    let anchor = run.model.transcripts.current().anchor.expect("a place");
    run.hear("[2026-11-22T11:18:40Z] #99 ann #tea: more");
    assert_eq!(run.model.transcripts.current().anchor, Some(anchor));
    run.press("\x1b[6~\x1b[6~");
    assert_eq!(run.model.transcripts.current().anchor, None);
}

#[test]
fn joined_room_is_opened() {
    let mut run = Run::logged_in();
    run.press("/join ops\r");
    run.answer("join #ops", "join:#ops");
    assert_eq!(run.current(), "#ops");
    assert_eq!(run.sent(), ["members #ops"]);
}

#[test]
fn refused_command_is_explained() {
    let mut run = Run::logged_in();
    run.press("/kick ann #tea\r");
    run.answer("kick #tea ann", "error:denied:kick");
    assert!(
        run.texts()
            .last()
            .is_some_and(|text| text.starts_with("Not done"))
    );
    run.press("/dance\r");
    assert!(
        run.model
            .hint
            .as_ref()
            .is_some_and(|hint| hint.contains("/dance"))
    );
    assert_eq!(run.model.composer.text(), "/dance");
}

#[test]
fn conversation_is_chosen_and_copied_by_mouse() {
    let mut run = Run::logged_in();
    run.press("\x1b[<0;3;4M\x1b[<0;3;4m");
    assert_eq!(run.current(), "#tea");
    run.hear("[2026-11-22T11:18:31Z] #4 ann #tea: a  b\u{2028}c");
    // The last two rows of the conversation.
    run.press("\x1b[<0;30;21M\x1b[<32;40;22M\x1b[<0;40;22m");
    assert_eq!(
        run.actions.last(),
        Some(&Action::Copy("a  b\nc".to_owned()))
    );
}

#[test]
fn notices_differ_by_conversation() {
    let mut run = Run::logged_in();
    run.press("/query ann\r/notify off\r\x1b1");
    run.hear("[2026-11-22T11:18:33Z] #7 ann: quiet");
    run.hear("[2026-11-22T11:18:33Z] #8 dave: loud");
    let told: Vec<&Action> = run
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Notify(..)))
        .collect();
    let expected = Action::Notify(Notifying::Bell, "dave: loud".to_owned());
    assert_eq!(told, [&expected]);
    let kept = Action::StorePreferences("bob".to_owned(), "notify ann off\n".to_owned());
    assert!(run.actions.contains(&kept));
    run.press("/notify command\r");
    let hint = run.model.hint.as_deref();
    assert_eq!(hint, Some("client.toml has no notify_command to run."));
}

#[test]
fn only_what_is_shown_is_logged() {
    let mut run = Run::logged_in();
    run.model.configure(&Settings {
        log: true,
        ignore: vec!["eve".to_owned()],
        ..Settings::default()
    });
    run.hear("[2026-11-22T11:18:33Z] #7 eve: noise");
    run.hear("[2026-11-22T11:18:33Z] #8 ann #tea: bob: words");
    let logged: Vec<String> = run
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Log(account, line) => Some(format!(
                "{account} {} {} {}",
                line.conversation, line.author, line.text
            )),
            _ => None,
        })
        .collect();
    assert_eq!(logged, ["bob #tea ann bob: words"]);
    run.give(Input::LogFailed("The disk is full".to_owned()));
    run.actions.clear();
    run.hear("[2026-11-22T11:18:34Z] #9 ann #tea: more");
    assert!(
        !run.actions
            .iter()
            .any(|action| matches!(action, Action::Log(..)))
    );
}

#[test]
fn name_before_text_is_spoken_to() {
    let mut run = Run::logged_in();
    run.press("an\t");
    assert_eq!(run.model.composer.text(), "ann ");
    run.press("\x15");
    open_tea(&mut run);
    run.press("an\t");
    assert_eq!(run.model.composer.text(), "ann: ");
    run.press("\x15hi an\t");
    assert_eq!(run.model.composer.text(), "hi ann ");
}

#[test]
fn left_room_is_closed() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.press("/part\r");
    run.answer("leave #tea", "leave:#tea");
    assert_eq!(run.current(), "chatserv");
    let all = run.model.transcripts.all();
    assert!(
        all.iter()
            .all(|transcript| transcript.target.name() != "#tea")
    );
}

#[test]
fn visible_members_are_asked_for_again() {
    let mut run = Run::logged_in();
    open_tea(&mut run);
    run.wait(Duration::from_secs(70));
    assert_eq!(run.sent(), ["fetch"]);
    run.hear("fetching");
    run.hear("DONE");
    run.give(Input::Resized(120, 40));
    run.wait(Duration::from_millis(1));
    run.answer("who", "ann");
    assert_eq!(run.model.online, ["ann"]);
    run.wait(Duration::from_millis(1));
    assert!(run.sent().is_empty());
}
