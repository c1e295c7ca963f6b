//! The crash matrix: each process of an installation is killed at each moment of a message's way. No acknowledged
//! message is lost, doubled or out of order. Real processes are killed at exact points: see `chat_node::crash_point`.
//! Readers are killed too: see `reader_dies`.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod chat_client_dies;
mod checks;
mod client;
mod history_dies;
mod reader_dies;
mod reader_process;
mod scene;
mod server;
#[path = "../support/real_processes.rs"]
mod support;

use client::{Client, ROOM, Sender, Sending};
use server::Server;
use support::{certificate, connection, installation, processes};

/// The victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    StateDaemon,
    Worker,
    FrontMaster,
    StateSupervisor,
}

/// The moment of the kill, in the victim, or in its child if the victim is a parent. The state daemon writes the
/// journal; a worker writes the request to the daemon, where it waits before the fsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    BeforeTheWrite,
    InTheWrite,
    BeforeTheFsync,
    BeforeTheAnswer,
    AfterTheAnswer,
    InADelivery,
    BeforeItsAcknowledgement,
}

/// How the recipient reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Fetch,
    Push,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    victim: Victim,
    moment: Moment,
    reading: Reading,
    sending: Sending,
}

impl Victim {
    fn is_parent(self) -> bool {
        matches!(self, Self::FrontMaster | Self::StateSupervisor)
    }
}

impl Cell {
    /// The name of the crash point.
    fn point(self) -> String {
        let process = match self.victim {
            Victim::StateDaemon | Victim::StateSupervisor => "state",
            Victim::Worker | Victim::FrontMaster => "worker",
        };
        let moment = match self.moment {
            Moment::BeforeTheWrite => "before-write",
            Moment::InTheWrite => "in-write",
            Moment::BeforeTheFsync => "before-fsync",
            Moment::BeforeTheAnswer => "before-answer",
            Moment::AfterTheAnswer => "after-answer",
            Moment::InADelivery => "in-delivery",
            Moment::BeforeItsAcknowledgement => "before-acknowledgement",
        };
        format!("{process}:{moment}")
    }

    /// Whether the reader's command reaches the moment, rather than the sender's.
    fn is_of_reader(self) -> bool {
        match self.moment {
            Moment::InADelivery => self.reading == Reading::Fetch,
            moment => moment == Moment::BeforeItsAcknowledgement,
        }
    }

    fn run(self) {
        let server = Server::start();
        if self.sending != Sending::Group {
            make_room(&server);
        }
        let mut alice = Sender::new(Client::log_in(&server, "alice", &[]), self.sending);
        let commands: &[_] = match self.reading {
            Reading::Fetch => &["ids on"],
            Reading::Push => &["ids on", "push on"],
        };
        let mut bob = Client::log_in(&server, "bob", commands);
        let mut phone = Client::log_in(&server, "bob/phone", &["ids on"]);
        send(&mut alice, 3);
        bob.fetch();
        phone.fetch();
        send(&mut alice, 3);
        if self.reading == Reading::Push {
            bob.await_messages(6);
        } else if self.moment == Moment::BeforeItsAcknowledgement {
            bob.fetch();
        }

        // In the middle of the waiting messages, or the message that is pushed at once.
        let mark = if self.is_of_reader() { "m5.1" } else { "m7.1" };
        let armed = server.arm(&self.point(), self.victim, mark);
        if self.is_of_reader() {
            bob.begin("fetch");
        } else {
            alice.begin_send();
        }
        armed.expect_death();
        if self.victim.is_parent() {
            server.mend();
        }
        if self.is_of_reader() {
            bob.finish_fetch();
        } else {
            alice.finish_send();
            checks::check_interrupted_send(self, &alice);
        }

        send(&mut alice, 3);
        for reader in [&mut bob, &mut phone] {
            reader.fetch();
        }
        checks::check_connections(self, &alice, &bob);
        for (reader, name) in [(&mut bob, "bob"), (&mut phone, "bob/phone")] {
            reader.log_out();
            let again = Client::log_in(&server, name, &[]);
            assert_eq!(again.seen, [], "read in good order, and still there");
        }
        let carol = Client::log_in(&server, "carol", &[]);
        checks::check_queue(self, &alice, &carol);
        for reader in [&bob, &phone] {
            checks::check_reader(&carol, reader);
        }
    }
}

fn make_room(server: &Server) {
    for name in ["alice", "bob", "carol"] {
        let mut member = Client::log_in(server, name, &[]);
        member.ask(&format!("join {ROOM}"), &format!("join:{ROOM}"));
        member.log_out();
    }
}

fn send(sender: &mut Sender, count: usize) {
    for _ in 0..count {
        sender.begin_send();
        sender.finish_send();
    }
}

/// A module for each victim and way of sending, with a test for each moment.
macro_rules! matrix {
    ($($module:ident $victim:ident $sending:ident,)*) => {
        $(mod $module {
            use super::*;
            matrix!(@cells $victim $sending Fetch
                before_the_write BeforeTheWrite,
                in_the_write InTheWrite,
                before_the_fsync BeforeTheFsync,
                before_the_answer BeforeTheAnswer,
                after_the_answer AfterTheAnswer,
                in_a_delivery InADelivery,
                before_its_acknowledgement BeforeItsAcknowledgement,
            );
            matrix!(@cells $victim $sending Push
                in_a_delivery_that_is_pushed InADelivery,
                before_the_acknowledgement_of_what_was_pushed BeforeItsAcknowledgement,
            );
        })*
    };
    (@cells $victim:ident $sending:ident $reading:ident $($test:ident $moment:ident,)*) => {
        $(#[test]
        fn $test() {
            let cell = Cell {
                victim: Victim::$victim,
                moment: Moment::$moment,
                reading: Reading::$reading,
                sending: Sending::$sending,
            };
            cell.run();
        })*
    };
}

matrix! {
    state_daemon_dies StateDaemon Group,
    worker_dies Worker Group,
    front_master_dies FrontMaster Group,
    state_supervisor_dies StateSupervisor Group,
    state_daemon_dies_under_rooms StateDaemon Room,
    worker_dies_under_rooms Worker Room,
    front_master_dies_under_rooms FrontMaster Room,
    state_supervisor_dies_under_rooms StateSupervisor Room,
    state_daemon_dies_under_once StateDaemon Once,
    worker_dies_under_once Worker Once,
    front_master_dies_under_once FrontMaster Once,
    state_supervisor_dies_under_once StateSupervisor Once,
}
