//! Measures what the state machine does for a message to a room, with more and more members who are away.
//!
//! `cargo run --release -p chat-stated --example room_cost -- 100 10000 1000000`

use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use anyhow::{Context, ensure};
use chat_model::{AccountId, Audience, ConnectionId, NameList, RequestName, RoomAct};
use chat_model::{ConnectionSerial, Progress, StreamOffset, UserSession, WorkerSessionId};
use chat_stated::entry::{AccountChange, Action, Entry, RoomLimits};
use chat_stated::state::{Effects, State};

const WALL_MS: i64 = 1_800_000_000_000;
/// Messages of a round. The feed of the room is full before the first one that counts.
const MESSAGES: u64 = 20_000;
const ROUNDS: u64 = 7;
const CONNECTION: ConnectionId = ConnectionId {
    worker_session: WorkerSessionId(1),
    serial: ConnectionSerial(1),
};

/// A state, and how far its one connection has come.
struct World {
    state: State,
    offset: u64,
}

impl World {
    fn apply(&mut self, entry: Entry) {
        self.state.apply(entry, WALL_MS, &mut Effects::default());
    }

    fn request(&mut self, action: Action) {
        let before = StreamOffset(self.offset);
        self.offset += 75;
        self.apply(Entry::Request {
            name: RequestName {
                connection: CONNECTION,
                offset: StreamOffset(self.offset),
            },
            answered: before,
            progress: Progress::default(),
            action,
        });
    }

    fn log_in(&mut self, account: u32) {
        self.request(Action::LogIn {
            account: AccountId(account),
            session: UserSession::Plain,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            password_version: 0,
            new_secret: None,
            asked_boot_ms: None,
        });
    }

    fn join(&mut self) {
        self.request(Action::ChangeRoom {
            room: "#room".into(),
            act: RoomAct::Join,
        });
    }

    /// So many members who are away, and one who writes.
    fn of(members: u32) -> anyhow::Result<Self> {
        let (state, offset) = (State::default(), 1);
        let mut world = Self { state, offset };
        world.apply(Entry::LimitRooms(RoomLimits {
            members: u32::MAX,
            sends_per_minute: u32::MAX,
            ..RoomLimits::INITIAL
        }));
        world.apply(Entry::BeginWorkerSession {
            secret: [9; 16],
            pid: 7,
            host: None,
        });
        for member in 0..=members {
            world.apply(Entry::ChangeAccounts(vec![AccountChange::Set {
                name: format!("member{member:08}"),
                secret: "secret".into(),
            }]));
            world.log_in(member);
            world.join();
            if member < members {
                world.request(Action::LogOut);
            }
        }
        let room = world.state.room_id("#room").context("the room is there")?;
        let online = world.state.online_members(room).len();
        ensure!(online == 1, "{online} members are online");
        Ok(world)
    }

    fn send(&mut self, text: &str) {
        self.request(Action::Send {
            audience: Audience::Mixed(NameList::one("#room")),
            text: black_box(text).into(),
        });
    }
}

fn main() -> anyhow::Result<()> {
    let text = "x".repeat(64);
    for members in std::env::args().skip(1) {
        let members: u32 = members.parse().context("a number of members")?;
        let mut world = World::of(members)?;
        for _ in 0..MESSAGES {
            world.send(&text);
        }
        let mut rounds: Vec<f64> = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            for _ in 0..MESSAGES {
                world.send(&text);
            }
            rounds.push(begin.elapsed().as_nanos() as f64 / MESSAGES as f64);
        }
        rounds.sort_by(f64::total_cmp);
        let waiting = world.state.waiting_messages();
        writeln!(
            std::io::stdout(),
            "{members:9} members away: {:.0} ns a message (median of {ROUNDS}), {waiting} wait",
            rounds[rounds.len() / 2]
        )?;
    }
    Ok(())
}
