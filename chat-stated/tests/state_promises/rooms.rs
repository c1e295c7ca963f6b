//! Rooms: who may do what, and who gets which message.

use chat_model::{
    AccountId, Audience, ConnectionId, ConnectionSerial, Message, MessageNumber, Outcome, Progress,
    RequestName, RoomAct, SentTo, StreamOffset, Treatment, UserSession, WorkerSessionId,
};

use chat_stated::checkpoint::{MemoryCheckpoint, Restoration, StateSnapshot};
use chat_stated::entry::{AccountChange, Action, Entry, OperatorAct, RoomLimits};
use chat_stated::state::{ActRefusal, Effects, OperatorOutcome, Reader, Role, SliceLimits, State};

const ALL: SliceLimits = SliceLimits {
    messages: usize::MAX,
    text_bytes: usize::MAX,
    names_groups: false,
};

/// Accounts `u0`, `u1`, ..., each logged in on the connection of its number.
struct World {
    state: State,
    offset: u64,
    effects: Effects,
}

impl World {
    fn of(users: usize) -> Self {
        let mut world = Self {
            state: State::default(),
            offset: 0,
            effects: Effects::default(),
        };
        let set = |number| AccountChange::Set {
            name: format!("u{number}"),
            secret: "s".into(),
        };
        world.apply(Entry::ChangeAccounts((0..users).map(set).collect()));
        world.apply(Entry::BeginWorkerSession {
            secret: [1; 16],
            pid: 1,
            host: None,
        });
        for user in 0..users {
            world.log_in(user);
        }
        world
    }

    fn apply(&mut self, entry: Entry) {
        self.state.apply(entry, 1_000, &mut self.effects);
    }

    fn request(&mut self, user: usize, action: Action) -> Outcome<'static> {
        self.offset += 1;
        let name = RequestName {
            connection: connection(user),
            offset: StreamOffset(self.offset),
        };
        self.apply(Entry::Request {
            name,
            answered: StreamOffset(self.offset - 1),
            progress: Progress::default(),
            action,
        });
        self.state.outcome(&name).expect("it was decided")
    }

    fn log_in(&mut self, user: usize) {
        let log_in = Action::LogIn {
            account: id(user),
            session: UserSession::Plain,
            address: [127, 0, 0, 1].into(),
            password_version: 0,
            new_secret: None,
            asked_boot_ms: None,
        };
        assert_eq!(self.request(user, log_in), Outcome::LoggedIn);
    }

    fn log_out(&mut self, user: usize) {
        assert_eq!(self.request(user, Action::LogOut), Outcome::LoggedOut);
    }

    fn act(&mut self, user: usize, room: &str, act: RoomAct<'static>) -> Outcome<'static> {
        let room = room.to_owned();
        self.request(user, Action::ChangeRoom { room, act })
    }

    fn join(&mut self, users: impl IntoIterator<Item = usize>, room: &str) {
        for user in users {
            assert_eq!(self.act(user, room, RoomAct::Join), Outcome::Done);
        }
    }

    fn treat(&mut self, by: usize, treatment: Treatment, user: &str) -> Outcome<'static> {
        let user = user.to_owned().into();
        self.act(by, "#a", RoomAct::Treat { treatment, user })
    }

    fn send(&mut self, user: usize, to: &[&str], text: &str) -> Outcome<'static> {
        let audience = Audience::Mixed(to.iter().copied().collect());
        let text = text.to_owned();
        self.request(user, Action::Send { audience, text })
    }

    /// All that waits for a user, as lines.
    fn waiting(&self, user: usize) -> Vec<String> {
        self.waiting_with(user, false)
    }

    /// The same, with the names of groups or without.
    fn waiting_with(&self, user: usize, names_groups: bool) -> Vec<String> {
        let newest = self.state.last_message();
        let limits = SliceLimits {
            names_groups,
            ..ALL
        };
        let reader = Reader::first(id(user));
        let slice = self
            .state
            .read_queue(reader, MessageNumber(0), newest, limits);
        slice.messages.iter().map(line).collect()
    }

    fn confirm(&mut self, user: usize, through: u64) {
        let through = MessageNumber(through);
        self.apply(Entry::Progress {
            connection: connection(user),
            progress: Progress {
                sent: through,
                acknowledged: through,
                confirmed: through,
            },
        });
    }

    fn confirm_all(&mut self, user: usize) {
        self.confirm(user, self.state.last_message().0);
    }

    fn members(&self, room: &str) -> String {
        let members = self.state.members_of(id(0), room);
        let members = members.unwrap_or_default();
        members.iter().collect::<Vec<_>>().join(" ")
    }

    /// The state that a checkpoint of this one gives.
    fn restored(&mut self) -> Self {
        let mut checkpoint = MemoryCheckpoint::default();
        let changes = StateSnapshot::take_whole(&mut self.state);
        checkpoint.write(&changes).expect("in memory");
        self.state.checkpoint_is_current();
        let state = Restoration::of_all(checkpoint.records()).expect("whole");
        Self {
            state,
            offset: self.offset,
            effects: Effects::default(),
        }
    }
}

fn id(user: usize) -> AccountId {
    AccountId(user as u32)
}

fn connection(user: usize) -> ConnectionId {
    ConnectionId {
        worker_session: WorkerSessionId(1),
        serial: ConnectionSerial(user as u64 + 1),
    }
}

fn line(message: &Message<'_>) -> String {
    let (number, sender, text) = (message.number.0, message.sender, message.text);
    match &message.sent_to {
        SentTo::Everyone => format!("{number} {sender} *: {text}"),
        SentTo::Group(names) => format!("{number} {sender} ({names}): {text}"),
        SentTo::People => format!("{number} {sender}: {text}"),
        SentTo::Room(room) | SentTo::NoticeOf(room) => format!("{number} {sender} {room}: {text}"),
        SentTo::GapIn(room, messages) => format!("{number} {sender} {room}: {messages} earlier"),
    }
}

fn stored(unknown: &[&str]) -> Outcome<'static> {
    let unknown = unknown
        .iter()
        .map(|name| (*name).to_owned())
        .collect::<Vec<_>>();
    Outcome::Stored {
        unknown: unknown
            .iter()
            .map(String::as_str)
            .collect::<chat_model::NameList<'_>>()
            .into_owned(),
    }
}

#[test]
fn members_get_messages_once_in_order() {
    let mut world = World::of(4);
    world.join([0, 1, 2], "#a");
    assert_eq!(world.send(0, &["#a"], "one"), stored(&[]));
    assert_eq!(world.send(1, &["#a"], "two"), stored(&[]));
    assert_eq!(world.waiting(0), ["2 u1 #a: two"]);
    assert_eq!(world.waiting(1), ["1 u0 #a: one"]);
    assert_eq!(world.waiting(2), ["1 u0 #a: one", "2 u1 #a: two"]);
    assert_eq!(world.waiting(3), [""; 0]);
    assert_eq!(world.effects.reached_rooms.len(), 2);
    for user in [0, 1, 2] {
        assert_ne!(world.state.waiting_messages(), 0, "before {user} has read");
        world.confirm_all(user);
    }
    assert_eq!(world.state.waiting_messages(), 0);
    assert_eq!(world.state.waiting_bytes(), 0);
}

#[test]
fn only_members_write_to_room() {
    let mut world = World::of(3);
    world.join([0], "#a");
    assert_eq!(world.send(1, &["#a"], "x"), stored(&["#a"]));
    assert_eq!(world.send(1, &["#b", "u2"], "x"), stored(&["#b"]));
    assert_eq!(world.waiting(0), [""; 0]);
    assert_eq!(world.waiting(2), ["1 u1: x"]);
}

#[test]
fn mixed_audience_gets_message_once() {
    let mut world = World::of(4);
    world.join([0, 1], "#a");
    world.join([0, 1], "#b");
    let sent = world.send(0, &["#b", "u1", "#a", "u2", "u0"], "x");
    assert_eq!(sent, stored(&[]));
    assert_eq!(world.waiting(0), ["1 u0 #b: x"]);
    assert_eq!(world.waiting(1), ["1 u0 #b: x"]);
    assert_eq!(world.waiting(2), ["1 u0: x"]);
    for user in 0..3 {
        world.confirm_all(user);
    }
    assert_eq!(world.state.waiting_messages(), 0);
}

#[test]
fn reader_learns_whom_it_went_to() {
    let mut world = World::of(4);
    world.join([0, 1], "#a");
    assert_eq!(world.send(0, &["u3", "u2", "u3"], "one"), stored(&[]));
    let sent = world.send(0, &["u3", "#a", "no", "u2", "u3"], "two");
    assert_eq!(sent, stored(&["no"]));
    assert_eq!(world.send(0, &["no", "u2"], "three"), stored(&["no"]));
    assert_eq!(world.send(0, &["#a", "u2"], "four"), stored(&[]));
    let expected = [
        "1 u0 (u3 u2): one",
        "2 u0 (u3 #a u2): two",
        "3 u0: three",
        "4 u0 (#a u2): four",
    ];
    for _ in 0..2 {
        let named = world.waiting_with(2, true);
        assert_eq!(named, expected);
        assert_eq!(world.waiting(2)[0], "1 u0: one", "nobody asked");
        assert_eq!(
            world.waiting_with(1, true),
            ["2 u0 #a: two", "4 u0 #a: four"]
        );
        world = world.restored();
    }
}

#[test]
fn member_reads_what_comes_after_joining() {
    let mut world = World::of(2);
    world.join([0], "#a");
    world.send(0, &["#a"], "before");
    world.join([1], "#a");
    world.send(0, &["#a"], "after");
    assert_eq!(world.waiting(1), ["2 u0 #a: after"]);
    world.join([1], "#a");
    assert_eq!(world.waiting(1), ["2 u0 #a: after"], "joined again");
    assert_eq!(world.act(1, "#a", RoomAct::Leave), Outcome::Done);
    assert_eq!(world.waiting(1), [""; 0]);
    assert_eq!(world.state.waiting_messages(), 0);
    assert_eq!(world.act(1, "#a", RoomAct::Leave), Outcome::Denied);
}

#[test]
fn private_room_needs_invitation() {
    let mut world = World::of(3);
    world.join([0], "#a");
    let private = RoomAct::SetPrivate(true);
    assert_eq!(world.act(0, "#a", private.clone()), Outcome::Done);
    assert_eq!(world.act(1, "#a", RoomAct::Join), Outcome::Denied);
    assert_eq!(world.treat(1, Treatment::Invite, "u1"), Outcome::Denied);
    assert_eq!(
        world.treat(0, Treatment::Invite, "nobody"),
        Outcome::NotFound
    );
    assert_eq!(world.treat(0, Treatment::Invite, "u1"), Outcome::Done);
    assert_eq!(world.waiting(1), ["2 * #a: u0 invited you"]);
    assert_eq!(world.state.members_of(id(1), "#a"), None);
    assert_eq!(world.state.topic_of(id(1), "#a"), Outcome::Denied);
    assert!(world.state.public_rooms().is_empty());
    world.join([1], "#a");
    assert_eq!(world.act(1, "#a", private), Outcome::Denied);
    assert_eq!(world.act(1, "#a", RoomAct::Leave), Outcome::Done);
    assert_eq!(world.act(1, "#a", RoomAct::Join), Outcome::Denied);
}

#[test]
fn banned_user_stays_out() {
    let mut world = World::of(3);
    world.join([0, 1, 2], "#a");
    world.send(0, &["#a"], "x");
    assert_eq!(world.treat(1, Treatment::Ban, "u2"), Outcome::Denied);
    assert_eq!(world.treat(0, Treatment::Ban, "u2"), Outcome::Done);
    assert_eq!(world.waiting(1), ["1 u0 #a: x", "2 * #a: u0 banned u2"]);
    assert_eq!(world.waiting(2), ["2 * #a: u0 banned u2"]);
    assert_eq!(world.act(2, "#a", RoomAct::Join), Outcome::Denied);
    assert_eq!(world.treat(0, Treatment::Invite, "u2"), Outcome::Denied);
    assert_eq!(world.treat(0, Treatment::Unban, "u2"), Outcome::Done);
    world.join([2], "#a");
    assert_eq!(world.members("#a"), "~u0 u1 u2");
}

#[test]
fn operators_do_what_owner_lets_them() {
    let mut world = World::of(4);
    world.join([0, 1, 2], "#a");
    assert_eq!(world.treat(0, Treatment::Op, "u3"), Outcome::NotFound);
    assert_eq!(world.treat(0, Treatment::Op, "u1"), Outcome::Done);
    assert_eq!(world.members("#a"), "~u0 @u1 u2");
    for treatment in [Treatment::Kick, Treatment::Ban, Treatment::Deop] {
        assert_eq!(world.treat(1, treatment, "u0"), Outcome::Denied);
    }
    assert_eq!(world.act(1, "#a", RoomAct::Drop), Outcome::Denied);
    let topic = RoomAct::SetTopic("news".into());
    assert_eq!(world.act(2, "#a", topic.clone()), Outcome::Denied);
    assert_eq!(world.act(1, "#a", topic), Outcome::Done);
    let shown = Outcome::Topic("news".into());
    assert_eq!(world.state.topic_of(id(3), "#a"), shown);
    assert_eq!(world.treat(1, Treatment::Kick, "u2"), Outcome::Done);
    assert_eq!(world.treat(1, Treatment::Kick, "u2"), Outcome::NotFound);
    let told = [
        "1 * #a: u0 made an operator of u1",
        "2 * #a: u1 set the topic: news",
        "3 * #a: u1 removed u2",
    ];
    assert_eq!(world.waiting(2), told[2..]);
    assert_eq!(world.waiting(0), told[1..]);
    assert_eq!(world.treat(0, Treatment::Deop, "u1"), Outcome::Done);
    assert_eq!(world.members("#a"), "~u0 u1");
}

#[test]
fn owner_is_followed_by_oldest_operator() {
    let mut world = World::of(4);
    world.join([0, 3, 2, 1], "#a");
    world.treat(0, Treatment::Op, "u1");
    world.treat(0, Treatment::Op, "u2");
    world.act(0, "#a", RoomAct::Leave);
    assert_eq!(world.members("#a"), "~u1 @u2 u3");
    world.act(1, "#a", RoomAct::Leave);
    world.act(2, "#a", RoomAct::Leave);
    assert_eq!(world.members("#a"), "~u3");
    world.act(3, "#a", RoomAct::Leave);
    assert_eq!(world.state.room_count(), 0);
}

#[test]
fn oldest_member_follows_without_operators() {
    let mut world = World::of(4);
    world.join([0, 3, 1], "#a");
    world.act(0, "#a", RoomAct::Leave);
    assert_eq!(world.members("#a"), "u1 ~u3");
}

#[test]
fn dropped_room_takes_its_messages() {
    let mut world = World::of(3);
    world.join([0, 1], "#a");
    world.send(0, &["#a", "u2"], "x");
    assert_eq!(world.act(0, "#a", RoomAct::Drop), Outcome::Done);
    assert_eq!(world.waiting(1), [""; 0]);
    assert_eq!(world.waiting(2), ["1 u0: x"]);
    world.join([1], "#a");
    assert_eq!(world.members("#a"), "~u1", "another room");
}

#[test]
fn members_are_told_of_dropped_room() {
    let mut world = World::of(4);
    world.join([0, 1, 2], "#a");
    let drop = |world: &mut World, user| {
        let room = "#a".to_owned();
        world.request(user, Action::DropRoom { room })
    };
    assert_eq!(drop(&mut world, 1), Outcome::Denied);
    assert_eq!(drop(&mut world, 3), Outcome::Denied);
    assert_eq!(drop(&mut world, 0), Outcome::Done);
    for member in [1, 2] {
        assert_eq!(world.waiting(member), ["1 * #a: u0 dropped the room"]);
        assert!(world.state.rooms_of(id(member)).is_empty());
    }
    assert_eq!(world.waiting(0), [""; 0]);
    assert_eq!(world.waiting(3), [""; 0]);
    assert_eq!(world.restored().waiting(1).len(), 1);
    assert_eq!(drop(&mut world, 0), Outcome::Denied, "it is gone");
}

#[test]
fn long_absence_is_told_in_one_line() {
    let mut world = World::of(3);
    world.apply(Entry::LimitRooms(RoomLimits {
        queue_messages: 3,
        ..RoomLimits::INITIAL
    }));
    world.join([0, 1, 2], "#a");
    for number in 1..=4 {
        world.send(0, &["#a"], &format!("m{number}"));
    }
    let four = [
        "1 * #a: 1 earlier",
        "2 u0 #a: m2",
        "3 u0 #a: m3",
        "4 u0 #a: m4",
    ];
    assert_eq!(world.waiting(1), four);
    world.confirm(1, 3);
    assert_eq!(world.waiting(1), ["4 u0 #a: m4"]);
    for number in 5..=9 {
        world.send(0, &["#a"], &format!("m{number}"));
    }
    let later = ["7 u0 #a: m7", "8 u0 #a: m8", "9 u0 #a: m9"];
    let gaps = ["6 * #a: 3 earlier", "6 * #a: 6 earlier"];
    assert_eq!(world.waiting(1), [&gaps[..1], &later].concat());
    assert_eq!(world.waiting(2), [&gaps[1..], &later].concat());
    assert_eq!(world.waiting(0), [""; 0], "no gap in what is one's own");
    let restored = world.restored();
    for user in 0..3 {
        assert_eq!(restored.waiting(user), world.waiting(user));
    }
    world.confirm_all(1);
    world.confirm_all(2);
    assert_eq!(world.state.waiting_messages(), 0);
    assert_eq!(world.state.waiting_bytes(), 0);
}

#[test]
fn checkpoint_keeps_rooms() {
    let mut world = World::of(4);
    world.join([0, 1, 2], "#a");
    world.join([1, 2, 3], "#b");
    world.treat(0, Treatment::Op, "u2");
    world.act(0, "#a", RoomAct::SetTopic("t".into()));
    world.send(1, &["#a", "#b", "u3"], "x");
    world.send(3, &["#b"], "y");
    world.confirm_all(2);
    world.log_out(3);
    let mut restored = world.restored();
    for user in 0..4 {
        assert_eq!(restored.waiting(user), world.waiting(user), "{user}");
    }
    assert_eq!(restored.members("#a"), "~u0 u1 @u2");
    assert_eq!(restored.state.rooms_of(id(1)), world.state.rooms_of(id(1)));
    let topic = restored.state.topic_of(id(0), "#a");
    assert_eq!(topic, Outcome::Topic("t".into()));
    for state in [&mut world, &mut restored] {
        state.log_in(3);
        state.act(1, "#b", RoomAct::Drop);
        state.join([0], "#c");
        state.send(0, &["#a"], "z");
        for user in 0..4 {
            state.confirm_all(user);
        }
        assert_eq!(state.state.waiting_messages(), 0);
    }
    let again = world.restored();
    assert_eq!(again.state.rooms_of(id(0)), restored.state.rooms_of(id(0)));
    assert!(again.state.rooms_of(id(3)).is_empty());
}

#[test]
fn limits_of_rooms_are_refusals() {
    let mut world = World::of(3);
    world.apply(Entry::LimitRooms(RoomLimits {
        rooms: 2,
        rooms_of_user: 1,
        members: 2,
        listed: 0,
        sends_per_minute: 1,
        queue_messages: 10,
    }));
    world.join([0, 1], "#a");
    assert_eq!(world.act(0, "#b", RoomAct::Join), Outcome::QueueFull);
    assert_eq!(world.act(2, "#a", RoomAct::Join), Outcome::QueueFull);
    assert_eq!(world.treat(0, Treatment::Op, "u1"), Outcome::QueueFull);
    assert_eq!(world.treat(0, Treatment::Invite, "u2"), Outcome::QueueFull);
    assert_eq!(world.treat(0, Treatment::Ban, "u2"), Outcome::QueueFull);
    assert_eq!(world.send(0, &["#a"], "x"), stored(&[]));
    assert_eq!(world.send(1, &["#a"], "x"), Outcome::QueueFull);
    world.join([2], "#b");
    let exceeded = world.effects.decided.iter();
    let exceeded = exceeded.filter_map(|decided| decided.exceeded);
    let names: Vec<&str> = exceeded.map(|exceeded| exceeded.limit.name()).collect();
    let expected = [
        "max-user-rooms",
        "max-room-members",
        "max-room-entries",
        "max-room-entries",
        "max-room-entries",
        "room-messages-per-minute",
    ];
    assert_eq!(names, expected);
}

#[test]
fn forgotten_account_leaves_its_rooms() {
    let mut world = World::of(3);
    world.join([0, 1], "#a");
    world.apply(Entry::Operate {
        ticket: 1,
        act: OperatorAct::ForgetAccount { account: id(1) },
    });
    assert_eq!(world.members("#a"), "~u0");
    world.send(0, &["#a"], "x");
    assert_eq!(world.state.waiting_messages(), 0);
}

fn operate(world: &mut World, act: OperatorAct) -> OperatorOutcome {
    world.apply(Entry::Operate { ticket: 1, act });
    world.effects.operated.pop().expect("it is decided").outcome
}

#[test]
fn members_are_told_what_server_operators_do() {
    let mut world = World::of(3);
    world.join([0, 1], "#a");
    let room = world.state.room_id("#a").expect("it is there");
    let set = OperatorAct::SetRoomRetention { room, days: 7 };
    assert_eq!(operate(&mut world, set.clone()), OperatorOutcome::Done);
    let already = OperatorOutcome::Refused(ActRefusal::AlreadySo);
    assert_eq!(operate(&mut world, set), already);
    let told = "1 * #a: an operator of the server set the retention to 7 days";
    for member in [0, 1] {
        assert_eq!(world.waiting(member), [told]);
    }
    assert_eq!(world.waiting(2), [""; 0]);
    assert_eq!(
        world.state.room_named("#a").expect("there").retention_days,
        Some(7)
    );
    world.confirm_all(0);
    world.confirm_all(1);

    let drop = OperatorAct::DropRoom { room };
    assert_eq!(operate(&mut world, drop.clone()), OperatorOutcome::Done);
    let told = "2 * #a: an operator of the server dropped the room";
    for member in [0, 1] {
        assert_eq!(world.waiting(member), [told]);
        assert!(world.state.rooms_of(id(member)).is_empty());
    }
    let gone = OperatorOutcome::Refused(ActRefusal::NoSuchRoom);
    assert_eq!(operate(&mut world, drop), gone);
    assert_eq!(world.restored().waiting(0), [told]);
}

#[test]
fn operators_see_rooms_and_unread_messages() {
    let mut world = World::of(3);
    world.join([0, 1, 2], "#a");
    world.join([1], "#b");
    world.treat(0, Treatment::Op, "u2");
    world.send(0, &["#a"], "xx");
    world.confirm_all(2);
    let page = world.state.rooms_page(0);
    let names: Vec<&str> = page.rows.iter().map(|row| &*row.name).collect();
    assert_eq!((names, page.next), (vec!["#a", "#b"], None));
    let room = &page.rows[0];
    assert_eq!((&*room.owner, room.members, room.online), ("u0", 3, 3));
    assert_eq!((room.messages, room.unread), (2, 2));
    let members = |after| {
        let page = world.state.members_page("#a", after).expect("it is there");
        let rows = page.rows.into_iter();
        let rows = rows.map(|row| (row.name.to_string(), row.role, row.unread));
        rows.collect::<Vec<_>>()
    };
    let [u1, u2] = [("u1", Role::Member, 2), ("u2", Role::Operator, 0)];
    let [u1, u2] = [u1, u2].map(|(name, role, unread)| (name.to_owned(), role, unread));
    assert_eq!(members(None)[1..], [u1.clone(), u2.clone()]);
    assert_eq!(members(Some("u0")), [u1, u2]);
    assert_eq!(world.state.members_page("#c", None), None);
    let queues = world.state.accounts_page(0).rows;
    let in_rooms: Vec<u64> = queues.iter().map(|row| row.queue.room_messages).collect();
    assert_eq!(in_rooms[1..], [2, 0]);
    let totals = world.state.queue_totals(0);
    assert_eq!((totals.memberships, totals.places), (4, 3));
    let details = world.state.account_details(id(1)).expect("it is there");
    assert_eq!(
        details.rooms,
        [("#a".into(), Role::Member), ("#b".into(), Role::Owner)]
    );
    assert_eq!(details.sessions, [("u1".to_owned(), true)]);
}

#[test]
fn members_online_are_known() {
    let mut world = World::of(3);
    world.join([0, 1, 2], "#a");
    let room = world.state.room_id("#a").expect("it is there");
    world.log_out(1);
    assert_eq!(world.state.online_members(room), [id(0), id(2)]);
    let restored = world.restored();
    assert_eq!(restored.state.online_members(room), [id(0), id(2)]);
    world.log_in(1);
    world.apply(Entry::EndWorkerSession {
        worker_session: WorkerSessionId(1),
    });
    assert_eq!(world.state.online_members(room), []);
}
