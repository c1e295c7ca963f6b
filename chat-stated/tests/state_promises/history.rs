//! Which messages the history is to keep.

use chat_model::{AccountId, Audience, MessageNumber, Outcome, RoomAct, RoomId, Treatment};
use chat_stated::entry::{Action, Entry, HistoryLimits, HistoryRules};
use chat_stated::state::{Forgotten, Keeping, KeptMessage};

use super::world::{SENT, World};

impl World {
    fn keep_direct(&mut self, keeps_direct: bool) {
        self.apply(Entry::KeepHistory(HistoryRules { keeps_direct }));
    }

    /// Sends a text, and says for whom it is kept.
    fn kept_for(&mut self, audience: Audience<'static>) -> Option<Vec<u32>> {
        let text = "hi".to_owned();
        assert_eq!(self.request(0, Action::Send { audience, text }), SENT);
        let kept = self.last_effects.kept.pop()?;
        assert_eq!(kept.number, self.state.last_message());
        assert_eq!((kept.sender.0, &*kept.text), (0, "hi"));
        Some(kept.readers.iter().map(|reader| reader.0).collect())
    }

    fn change_room(&mut self, user: u64, act: RoomAct<'static>) {
        let room = "#a".to_owned();
        let outcome = self.request(user, Action::ChangeRoom { room, act });
        assert_eq!(outcome, Outcome::Done);
    }

    fn treat_bob(&mut self, treatment: Treatment) {
        let user = "bob".into();
        self.change_room(0, RoomAct::Treat { treatment, user });
    }

    fn last_kept(&mut self) -> Option<KeptMessage> {
        self.last_effects.kept.pop()
    }

    /// Sends a text to the room and to bob.
    fn kept_of_room(&mut self) -> KeptMessage {
        let names: chat_model::NameList<'_> = ["#a", "bob"].into_iter().collect();
        let audience = Audience::Mixed(names.into_owned());
        let text = "hi".to_owned();
        assert_eq!(self.request(0, Action::Send { audience, text }), SENT);
        self.last_kept().expect("it is kept")
    }

    /// Behind which message bob may read the room's history.
    fn read_by_bob_after(&self) -> Option<MessageNumber> {
        let kept = self.state.kept_room(AccountId(1), "#a");
        kept.map(|kept| kept.after)
    }
}

const DAY_MS: u64 = 86_400_000;

/// Messages that are forgotten of the room, or of messages to people.
fn forgotten(room: Option<u32>, after: u64, through: u64) -> Forgotten {
    Forgotten {
        room: room.map(RoomId),
        after: MessageNumber(after),
        through: MessageNumber(through),
    }
}

fn limits() -> HistoryLimits {
    HistoryLimits {
        kept_ms: 64 * DAY_MS,
        most_kept_ms: 96 * DAY_MS,
        room_bytes: 1_000_000,
        direct_bytes: 1_000_000,
    }
}

fn to(names: &[&str]) -> Audience<'static> {
    let names: chat_model::NameList<'_> = names.iter().copied().collect();
    Audience::Accounts(names.into_owned())
}

#[test]
fn direct_messages_are_kept_by_rules() {
    let mut world = World::with_online(&["ann", "bob", "cy"]);
    assert_eq!(world.kept_for(to(&["bob"])), None);
    assert_eq!(*world.state.keeping(), Keeping::default());
    world.keep_direct(true);
    assert_eq!(world.kept_for(to(&["bob"])), Some(vec![1]));
    assert_eq!(
        world.kept_for(to(&["cy", "bob", "ann"])),
        Some(vec![0, 1, 2])
    );
    let last = world.state.last_message();
    assert_eq!(world.kept_for(Audience::Everyone), None);
    assert_eq!(world.state.keeping().last, last);
    world.keep_direct(false);
    assert_eq!(world.kept_for(to(&["bob"])), None);
}

#[test]
fn rules_and_last_kept_message_outlive_restart() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.keep_direct(true);
    world.kept_for(to(&["bob"]));
    let keeping = world.state.keeping().clone();
    world.restart();
    assert_eq!(*world.state.keeping(), keeping);
    assert_eq!(world.kept_for(to(&["bob"])), Some(vec![1]));
}

#[test]
fn messages_of_rooms_are_always_kept() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.change_room(0, RoomAct::Join);
    let kept = world.kept_of_room();
    assert_eq!((&kept.rooms[..], kept.readers.len()), (&[RoomId(1)][..], 0));
    assert_eq!(world.state.keeping().last, kept.number);
    world.keep_direct(true);
    let kept = world.kept_of_room();
    assert_eq!(
        (kept.rooms.len(), &kept.readers[..]),
        (1, &[AccountId(1)][..])
    );
    world.change_room(0, RoomAct::SetTopic("tea".into()));
    let kept = world.last_kept().expect("it is kept");
    assert!(kept.is_notice && kept.rooms.len() == 1 && kept.readers.is_empty());
    world.treat_bob(Treatment::Invite);
    assert_eq!(world.last_kept(), None);
}

#[test]
fn private_room_is_read_from_joining_on() {
    let mut world = World::with_online(&["ann", "bob"]);
    assert_eq!(world.read_by_bob_after(), None);
    world.change_room(0, RoomAct::Join);
    world.kept_of_room();
    assert_eq!(world.read_by_bob_after(), Some(MessageNumber(0)));
    world.change_room(0, RoomAct::SetPrivate(true));
    assert_eq!(world.read_by_bob_after(), None);
    world.treat_bob(Treatment::Invite);
    assert_eq!(world.read_by_bob_after(), None);
    world.change_room(1, RoomAct::Join);
    let joined = world.state.last_message();
    assert_eq!(world.read_by_bob_after(), Some(joined));
    world.change_room(0, RoomAct::SetPrivate(false));
    assert_eq!(world.read_by_bob_after(), Some(MessageNumber(0)));
    world.treat_bob(Treatment::Ban);
    assert_eq!(world.read_by_bob_after(), None);
}

#[test]
fn history_goes_by_journalled_time() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.apply(Entry::LimitHistory(limits()));
    world.keep_direct(true);
    world.change_room(0, RoomAct::Join);
    let number = world.kept_of_room().number.0;
    world.jump_wall_ms(1_000 * DAY_MS as i64);
    world.pass_ms(63 * DAY_MS);
    assert_eq!(world.last_effects.forgotten, []);
    world.restart();
    world.pass_ms(DAY_MS);
    let gone = [forgotten(Some(1), 0, number), forgotten(None, 0, number)];
    assert_eq!(world.last_effects.forgotten, gone);
    assert_eq!(world.read_by_bob_after(), Some(MessageNumber(number)));
    assert_eq!(world.state.direct_kept_after(), MessageNumber(number));
    world.restart();
    world.pass_ms(DAY_MS);
    assert_eq!(world.last_effects.forgotten, []);
    assert_eq!(world.read_by_bob_after(), Some(MessageNumber(number)));
}

#[test]
fn owner_keeps_history_within_bounds() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.apply(Entry::LimitHistory(limits()));
    world.change_room(0, RoomAct::Join);
    world.kept_of_room();
    world.change_room(0, RoomAct::SetRetention { days: 1_000 });
    let last = world.last_kept().expect("the room tells it").number.0;
    world.pass_ms(95 * DAY_MS);
    assert_eq!(world.last_effects.forgotten, []);
    world.pass_ms(DAY_MS);
    assert_eq!(world.last_effects.forgotten, [forgotten(Some(1), 0, last)]);
    let next = world.kept_of_room().number.0;
    world.pass_ms(DAY_MS);
    assert_eq!(world.last_effects.forgotten, []);
    let shorter = HistoryLimits {
        most_kept_ms: DAY_MS,
        ..limits()
    };
    world.apply(Entry::LimitHistory(shorter));
    world.pass_ms(1);
    assert_eq!(
        world.last_effects.forgotten,
        [forgotten(Some(1), last, next)]
    );
}

#[test]
fn unread_history_of_room_stays() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.apply(Entry::LimitHistory(limits()));
    world.change_room(0, RoomAct::Join);
    world.change_room(1, RoomAct::Join);
    let number = world.kept_of_room().number;
    world.pass_ms(100 * DAY_MS);
    assert_eq!(world.last_effects.forgotten, []);
    world.restart();
    world.progress(1, number.0, number.0);
    world.pass_ms(DAY_MS);
    assert_eq!(
        world.last_effects.forgotten,
        [forgotten(Some(1), 0, number.0)]
    );
}

#[test]
fn history_of_room_is_bounded_in_bytes() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.apply(Entry::LimitHistory(limits()));
    world.change_room(0, RoomAct::Join);
    let text = "x".repeat(10_000);
    let mut gone = MessageNumber(0);
    for _ in 0..200 {
        let names: chat_model::NameList<'_> = ["#a"].into_iter().collect();
        let audience = Audience::Mixed(names.into_owned());
        let text = text.clone();
        world.request(0, Action::Send { audience, text });
        world.pass_ms(1);
        for forgotten in &world.last_effects.forgotten {
            assert_eq!((forgotten.room, forgotten.after), (Some(RoomId(1)), gone));
            gone = forgotten.through;
        }
    }
    let kept = world.state.last_message().0 - gone.0;
    assert!((48..=54).contains(&kept), "{kept} of 20 kB each");
}

#[test]
fn history_goes_with_its_room() {
    let mut world = World::with_online(&["ann", "bob"]);
    world.change_room(0, RoomAct::Join);
    world.change_room(1, RoomAct::Join);
    world.kept_of_room();
    world.change_room(0, RoomAct::Leave);
    assert_eq!(world.last_effects.forgotten, []);
    world.change_room(1, RoomAct::Leave);
    let gone = [forgotten(Some(1), 0, u64::MAX)];
    assert_eq!(world.last_effects.forgotten, gone);
    world.pass_ms(1_000 * DAY_MS);
    assert_eq!(world.last_effects.forgotten, []);
}
