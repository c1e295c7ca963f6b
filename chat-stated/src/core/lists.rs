//! Lists of names, for `who` and `last`: as long as there are users, and as cheap to ask for as one line.
//!
//! One list is made at a time, in pieces, for all who asked before it began, and travels once to each worker. A worker
//! that does not read what it was sent gets none.

use std::collections::BTreeMap;

use chat_model::{ConnectionSerial, NameList, Outcome, StreamOffset};
use chat_rpc::{MAX_FRAME_BYTES, ToWorker, UsersRequest};

use super::Core;
use super::delivery::{NO_MESSAGES, Waiting};
use super::link::LinkId;
use crate::state::{StateMs, UserList, WrittenNames};

/// What is done of a list in one turn: names looked up, four times as many written. About a millisecond.
const WORK_IN_ONE_TURN: usize = 8 * 1024;
/// After each turn that a list took, but the first, no other one begins for so long.
const PAUSE_PER_TURN_MS: u64 = 2;
/// Names, with a byte for each, that fit into a frame with those who asked for them.
const MAX_LIST_BYTES: usize = MAX_FRAME_BYTES / 8 * 7;

/// Somebody who waits for a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListRequest {
    pub(super) link: LinkId,
    pub(super) serial: ConnectionSerial,
    pub(super) offset: StreamOffset,
    /// `None` for those who are online only.
    pub(super) minutes: Option<u64>,
}

/// Lists that were asked for.
#[derive(Debug, Default)]
pub(super) struct Lists {
    waiting: Vec<ListRequest>,
    in_progress: Option<ListInProgress>,
    /// None begins before.
    next_at_ms: u64,
}

/// One list, for all who asked before it began.
#[derive(Debug)]
struct ListInProgress {
    users: UserList,
    is_gathered: bool,
    /// Who is to get the names of those since when.
    requests: BTreeMap<StateMs, Vec<ListRequest>>,
    /// Those since the first time that is left.
    written: WrittenNames,
    turns: u64,
}

impl Lists {
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_progress.is_none()
    }

    pub(super) fn add(&mut self, request: ListRequest) {
        self.waiting.push(request);
    }

    /// Nobody on this link waits any more.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.waiting.retain(|request| request.link != link);
    }
}

impl Core {
    /// When there is more to be done for lists, in boot time.
    pub(super) fn next_list_ms(&self) -> Option<u64> {
        if self.lists.in_progress.is_some() {
            return Some(self.timestamp.boot_ms);
        }
        let mut waiting = self.lists.waiting.iter();
        let may_begin = waiting.any(|request| !self.is_behind(request.link));
        may_begin.then_some(self.lists.next_at_ms)
    }

    /// Does a turn's share of the lists that are asked for.
    pub(super) fn go_on_with_lists(&mut self) {
        let mut work = WORK_IN_ONE_TURN;
        while work > 0 {
            let in_progress = self.lists.in_progress.take().or_else(|| self.begin_list());
            let Some(mut list) = in_progress else {
                return;
            };
            if self.go_on_with_list(&mut list, &mut work) {
                let pause_ms = list.turns * PAUSE_PER_TURN_MS;
                self.lists.next_at_ms = self.timestamp.boot_ms + pause_ms;
            } else {
                list.turns += 1;
                self.lists.in_progress = Some(list);
            }
        }
    }

    fn begin_list(&mut self) -> Option<ListInProgress> {
        if self.lists.waiting.is_empty() || self.timestamp.boot_ms < self.lists.next_at_ms {
            return None;
        }
        let waiting = std::mem::take(&mut self.lists.waiting);
        let (behind, begun): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|request| self.is_behind(request.link));
        self.lists.waiting = behind;
        let mut requests: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for request in begun {
            let since = self.state.listed_since(request.minutes, &self.timestamp);
            requests.entry(since).or_default().push(request);
        }
        let (since, _) = requests.first_key_value()?;
        Some(ListInProgress {
            users: self.state.begin_user_list(*since),
            is_gathered: false,
            requests,
            written: WrittenNames::default(),
            turns: 0,
        })
    }

    /// Whether the list is done.
    fn go_on_with_list(&mut self, list: &mut ListInProgress, work: &mut usize) -> bool {
        if !list.is_gathered {
            list.is_gathered = list.users.gather(&self.state, work);
        }
        if !list.is_gathered {
            return false;
        }
        while let Some((since, _)) = list.requests.first_key_value() {
            let is_written = list.users.write(*since, &mut list.written, work);
            let names = &list.written.names;
            let is_too_long = names.bytes() + names.len() > MAX_LIST_BYTES;
            if !is_written && !is_too_long {
                return false;
            }
            let written = std::mem::take(&mut list.written);
            if let Some((_, requests)) = list.requests.pop_first() {
                self.send_list(requests, (!is_too_long).then_some(&written.names));
            }
        }
        list.users.clear(work)
    }

    /// Answers those who asked for the same list, or says that there is none.
    fn send_list(&mut self, requests: Vec<ListRequest>, names: Option<&NameList<'_>>) {
        let mut by_link: BTreeMap<LinkId, Vec<ListRequest>> = BTreeMap::new();
        for request in requests {
            by_link.entry(request.link).or_default().push(request);
        }
        for (link, requests) in by_link {
            match names {
                None => {
                    for ListRequest { serial, offset, .. } in requests {
                        self.answer(link, serial, offset, Outcome::Busy);
                    }
                }
                // Those who went before may have had as much.
                Some(_) if self.is_behind(link) => self.lists.waiting.extend(requests),
                Some(names) => self.send_list_to(link, &requests, names),
            }
        }
    }

    fn send_list_to(&mut self, link_id: LinkId, requests: &[ListRequest], names: &NameList<'_>) {
        let through = self.newest();
        let Some(link) = self.links.get_mut(link_id) else {
            return;
        };
        let mut answered = Vec::with_capacity(requests.len());
        for request in requests {
            let connection = link.connection(request.serial);
            let logged_in =
                connection.filter(|connection| self.state.account_on(*connection).is_some());
            // Whose session has ended meanwhile is told that, or is gone.
            if let (Some(connection), Some(client)) = (logged_in, link.known_mut(request.serial)) {
                let reader = self.state.reader_on(connection);
                let waiting = Waiting::next(&self.state, reader, client, through, NO_MESSAGES);
                answered.push(UsersRequest {
                    connection: request.serial,
                    offset: request.offset,
                    through: waiting.through,
                    more: waiting.more,
                });
            }
        }
        if answered.is_empty() {
            return;
        }
        let users = ToWorker::Users {
            requests: answered,
            names: names.borrowed(),
        };
        self.send(link_id, &users);
    }
}
