//! Which messages the history is to keep.

use chat_model::Audience;
use chat_stated::entry::{Action, Entry, HistoryRules};
use chat_stated::state::Keeping;

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
    let keeping = *world.state.keeping();
    world.restart();
    assert_eq!(*world.state.keeping(), keeping);
    assert_eq!(world.kept_for(to(&["bob"])), Some(vec![1]));
}
