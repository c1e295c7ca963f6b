//! What the operator's tool asks the state process.

use chat_node::control::protocol::{
    AccountDetails, AccountRow, Answer, BlockPlace, BlockRow, MemberRow, Page, PlaceRow, Question,
    QueueRow, QueueTotals, Role, RoomOfAccount, RoomRow, SessionRow,
};
use chat_node::logs::log_format;

use super::Core;
use super::operations::no_room;
use crate::state::{self, QueueState};

impl Core {
    /// Takes a question of the operator's tool. [`Core::take_answers`] has the answer, at once or later.
    pub fn take_question(&mut self, ticket: u64, question: &Question) {
        let answer = match question {
            Question::Change { change } => match self.take_change(ticket, change) {
                Ok(()) => return,
                Err(reason) => Err(reason),
            },
            question => self.answer_question(question),
        };
        self.end_question(ticket, answer);
    }

    fn answer_question(&mut self, question: &Question) -> Result<Answer, String> {
        match question {
            Question::Ping => Ok(Answer::Alive),
            Question::Sessions { after } => {
                let page = self.state.sessions_page(after.as_deref());
                Ok(Answer::Sessions(Page {
                    rows: page.rows.into_iter().map(session_row).collect(),
                    next: page.next,
                }))
            }
            Question::Queues { from } => {
                let page = self.state.queues_page(from.unwrap_or(0));
                Ok(Answer::Queues(Page {
                    rows: page.rows.into_iter().map(queue_row).collect(),
                    next: page.next,
                }))
            }
            Question::Accounts { from } => {
                let page = self.state.accounts_page(from.unwrap_or(0));
                Ok(Answer::Accounts(Page {
                    rows: page.rows.into_iter().map(account_row).collect(),
                    next: page.next,
                }))
            }
            Question::Blocks { after } => {
                let after = after.map(|at| (at.end_ms, at.account, at.address));
                let page = self.state.blocks_page(after, &self.timestamp);
                Ok(Answer::Blocks(Page {
                    rows: page.rows.into_iter().map(block_row).collect(),
                    next: page.next.map(|(end_ms, account, address)| BlockPlace {
                        end_ms,
                        account,
                        address,
                    }),
                }))
            }
            Question::Rooms { from } => {
                let page = self.state.rooms_page(from.unwrap_or(0));
                Ok(Answer::Rooms(Page {
                    rows: page.rows.into_iter().map(room_row).collect(),
                    next: page.next,
                }))
            }
            Question::Room { name } => {
                let row = self.state.room_named(name);
                let row = row.ok_or_else(|| no_room(name))?;
                Ok(Answer::Room(room_row(row)))
            }
            Question::Members { room, after } => {
                let page = self.state.members_page(room, after.as_deref());
                let page = page.ok_or_else(|| no_room(room))?;
                Ok(Answer::Members(Page {
                    rows: page.rows.into_iter().map(member_row).collect(),
                    next: page.next,
                }))
            }
            Question::Account { name } => {
                let account = self.account_named(name)?;
                let details = self.state.account_details(account);
                let details = details.ok_or("there is no such account")?;
                Ok(Answer::Account(account_details(details)))
            }
            Question::Backup => Ok(Answer::Applied {
                log_index: self.checkpoints.applied().0,
            }),
            Question::Checkpoint => {
                self.begin_checkpoint_for_room();
                Ok(Answer::Done)
            }
            Question::QueueTotals { from } => {
                let state::QueueTotals {
                    waiting,
                    nearly_full,
                    full,
                    oldest_ms,
                    places,
                    tokens,
                    memberships,
                    next,
                } = self.state.queue_totals(from.unwrap_or(0));
                Ok(Answer::QueueTotals(QueueTotals {
                    waiting,
                    nearly_full,
                    full,
                    oldest_ms,
                    places,
                    tokens,
                    memberships,
                    next,
                }))
            }
            Question::Metrics => Ok(self.samples().into_answer()),
            Question::SetLogLevel { level } => log_format::set_level(level).map(|()| Answer::Done),
            Question::Clients { .. } | Question::Disconnect { .. } => {
                Err("the state process has no clients".to_owned())
            }
            Question::Change { .. } => Err("it is no question".to_owned()),
        }
    }
}

fn session_row(row: state::SessionRow) -> SessionRow {
    SessionRow {
        name: row.name,
        worker_pid: row.worker_pid,
        worker_session: row.connection.worker_session.0,
        connection: row.connection.serial.0,
    }
}

fn queue_row(row: state::AccountRow) -> QueueRow {
    let QueueState {
        messages,
        bytes,
        is_full,
        broadcasts,
        room_messages,
        oldest_ms,
    } = row.queue;
    QueueRow {
        name: row.name.to_string(),
        is_online: row.is_online,
        messages,
        bytes,
        is_full,
        broadcasts,
        room_messages,
        oldest_ms,
    }
}

fn account_row(row: state::AccountRow) -> AccountRow {
    AccountRow {
        name: row.name.to_string(),
        is_in_file: row.is_in_file,
        is_disabled: row.is_disabled,
        is_online: row.is_online,
        waiting: row.queue.messages + row.queue.broadcasts + row.queue.room_messages,
    }
}

fn account_details(details: state::AccountDetails) -> AccountDetails {
    let sessions = details.sessions.into_iter();
    let rooms = details.rooms.into_iter();
    AccountDetails {
        row: account_row(details.row),
        sessions: sessions
            .map(|(name, is_online)| PlaceRow { name, is_online })
            .collect(),
        tokens: details.tokens.iter().map(str::to_owned).collect(),
        rooms: rooms
            .map(|(name, room_role)| RoomOfAccount {
                name: name.to_string(),
                role: role(room_role),
            })
            .collect(),
    }
}

fn room_row(row: state::RoomRow) -> RoomRow {
    RoomRow {
        name: row.name.to_string(),
        owner: row.owner.to_string(),
        members: row.members,
        online: row.online,
        is_private: row.is_private,
        messages: row.messages,
        unread: row.unread,
        unread_bytes: row.unread_bytes,
        history_bytes: row.history_bytes,
        retention_days: row.retention_days,
        topic: row.topic.into(),
    }
}

fn member_row(row: state::MemberRow) -> MemberRow {
    MemberRow {
        name: row.name.to_string(),
        role: role(row.role),
        is_online: row.is_online,
        unread: row.unread,
    }
}

fn role(role: state::Role) -> Role {
    match role {
        state::Role::Owner => Role::Owner,
        state::Role::Operator => Role::Operator,
        state::Role::Member => Role::Member,
    }
}

fn block_row(row: state::BlockRow) -> BlockRow {
    BlockRow {
        name: row.name.to_string(),
        address: row.address,
        seconds_left: row.seconds_left,
    }
}
