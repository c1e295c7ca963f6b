//! Who takes part in a storm: pairs of a sender and a reader, or members of rooms.

use std::time::Instant;

use super::Options;
use super::ledger::Ledger;
use super::people::LEAVE_INTERVAL;
use super::person::{Mode, Person, Role, Seat, Sending};
use super::process_readers::ProcessReader;
use super::reader_process::Manner;
use crate::installation::Accounts;
use crate::random::Random;

/// Those who send to a room. All members read what the others send.
const SENDERS_OF_A_ROOM: usize = 2;

/// A user, or a room, with the messages to it.
#[derive(Debug)]
pub(super) struct Audience {
    /// What stands behind `send`.
    pub(super) name: String,
    /// What the labels of the messages have for their reader.
    pub(super) key: u32,
    pub(super) ledger: Ledger,
}

impl Audience {
    /// The room that its message lines name.
    pub(super) fn room(&self) -> Option<&[u8]> {
        let name = self.name.as_bytes();
        name.starts_with(b"#").then_some(name)
    }
}

/// All clients, and to whom they send.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) persons: Vec<Person>,
    pub(super) audiences: Vec<Audience>,
}

/// How many accounts the clients of a storm have.
pub(super) fn account_count(options: &Options) -> usize {
    match options.rooms {
        0 => options.pairs * 2,
        rooms => rooms * options.room_members,
    }
}

/// The name of a room of this storm.
pub(super) fn room_name(accounts: &Accounts, room: usize) -> String {
    format!("#{}{room}", accounts.prefix)
}

impl Cast {
    pub(super) fn new(
        options: &Options,
        accounts: &Accounts,
        has_tls: bool,
        random: &mut Random,
        now: Instant,
    ) -> Self {
        let mut cast = Self {
            persons: Vec::new(),
            audiences: Vec::new(),
        };
        let mut readers = Readers {
            has_tls,
            random,
            now,
        };
        match options.rooms {
            0 => cast.add_pairs(options, accounts, &mut readers),
            rooms => {
                (0..rooms).for_each(|room| cast.add_room(room, options, accounts, &mut readers))
            }
        }
        cast
    }

    fn add_pairs(&mut self, options: &Options, accounts: &Accounts, readers: &mut Readers<'_>) {
        for pair in 0..options.pairs {
            let [sender, reader] = [pair * 2, pair * 2 + 1];
            let names = [accounts.name(sender), accounts.name(reader)];
            // Numbers of clients are bounded by the options, here and below.
            let role = Person::sender(Sending::InTurn, sender as u32);
            self.add(role, &names[0], "", pair, 0, readers.now);
            let role = readers.role(pair, pair < options.reader_processes);
            self.add(role, &names[1], "", pair, 0, readers.now);
            self.audiences.push(Audience {
                key: reader as u32,
                ledger: Ledger::new([1]),
                name: names[1].clone(),
            });
        }
    }

    fn add_room(
        &mut self,
        room: usize,
        options: &Options,
        accounts: &Accounts,
        readers: &mut Readers<'_>,
    ) {
        let Options {
            room_members,
            sessions,
            ..
        } = *options;
        let all_readers = options.rooms * room_members * sessions;
        let mut accounts_of_readers = Vec::new();
        for member in 0..room_members {
            let name = accounts.name(room * room_members + member);
            if member < SENDERS_OF_A_ROOM {
                let sender = room * SENDERS_OF_A_ROOM + member;
                let role = Person::sender(options.sending(sender), self.persons.len() as u32);
                self.add(role, &name, "/-", room, member, readers.now);
            }
            for session in 0..sessions {
                let reader = (room * room_members + member) * sessions + session;
                // Spread over all rooms.
                let processes = [reader, reader + 1]
                    .map(|readers| readers * options.reader_processes / all_readers);
                let role = match processes[0] < processes[1] {
                    true => readers.role(processes[0], true),
                    false => readers.role(reader, false),
                };
                let suffix = match session {
                    0 => String::new(),
                    session => format!("/{session}"),
                };
                let place = accounts_of_readers.len();
                self.add(role, &name, &suffix, room, place, readers.now);
                accounts_of_readers.push(member as u32);
            }
        }
        self.audiences.push(Audience {
            name: room_name(accounts, room),
            key: room as u32,
            ledger: Ledger::new(accounts_of_readers),
        });
    }

    /// Adds a client that logs in as this session of the account.
    fn add(
        &mut self,
        role: Role,
        account: &str,
        session: &str,
        audience: usize,
        place: usize,
        now: Instant,
    ) {
        let seat = Seat { audience, place };
        let login = format!("{account}{session}");
        self.persons
            .push(Person::new(role, account.to_owned(), login, seat, now));
    }
}

/// How readers behave.
struct Readers<'a> {
    has_tls: bool,
    random: &'a mut Random,
    now: Instant,
}

impl Readers<'_> {
    /// The role of one of them. Neighbours get their messages in different ways.
    fn role(&mut self, number: usize, is_process: bool) -> Role {
        let mode = Mode::ALL[number % Mode::ALL.len()];
        if is_process {
            let speaks_tls = self.has_tls && (number / Mode::ALL.len()) % 2 == 1;
            return Role::Process(ProcessReader::new(Manner { mode, speaks_tls }));
        }
        let leave_at = self.now + self.random.interval(LEAVE_INTERVAL);
        Person::reader(mode, leave_at, self.now)
    }
}
