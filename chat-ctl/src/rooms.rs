//! `chatctl rooms`: what rooms there are, who is in them, and what operators of the server do to them.

use std::cmp::Reverse;

use chat_node::control::change::Change;
use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{Answer, MemberRow, Question, Role, RoomRow};
use serde::Serialize;

use crate::changes::change;
use crate::daemons::Daemons;
use crate::exit_status::ExitStatus;
use crate::pages::{self, STATE};
use crate::table::{Table, yes};

/// What the name of a room begins with. A shell takes the rest of the line for a comment there, so people may leave it
/// out.
const MARK: char = '#';

/// A room with its members.
#[derive(Debug, Serialize)]
struct Details {
    #[serde(flatten)]
    room: RoomRow,
    member_list: Vec<MemberRow>,
}

/// Rooms, those with the most unread messages first.
pub(crate) fn list(daemons: &Daemons, json: bool) -> Result<String, ControlError> {
    let mut rooms = pages::rooms(&mut ControlClient::connect(&daemons.state)?)?;
    rooms.sort_by(|left, right| {
        let key = |room: &RoomRow| (Reverse(room.unread), room.name.clone());
        key(left).cmp(&key(right))
    });
    Ok(match json {
        true => crate::json(&rooms),
        false => render_list(&rooms),
    })
}

fn render_list(rooms: &[RoomRow]) -> String {
    let mut table = Table::new(&[
        "ROOM", "OWNER", "MEMBERS", "ONLINE", "PRIVATE", "MESSAGES", "UNREAD", "BYTES", "HISTORY",
        "DAYS", "TOPIC",
    ]);
    for room in rooms {
        table.add([
            room.name.clone(),
            room.owner.clone(),
            room.members.to_string(),
            room.online.to_string(),
            yes(room.is_private),
            room.messages.to_string(),
            room.unread.to_string(),
            room.unread_bytes.to_string(),
            room.history_bytes.to_string(),
            days(room),
            // A line break in a text, which other programs would take for one here.
            room.topic.replace('\u{2028}', " "),
        ]);
    }
    table.render()
}

/// Nothing if the setting says.
fn days(room: &RoomRow) -> String {
    room.retention_days
        .map_or_else(String::new, |days| days.to_string())
}

/// One room, and who is in it.
pub(crate) fn show(daemons: &Daemons, json: bool, name: &str) -> Result<String, ControlError> {
    let name = with_mark(name);
    let mut client = ControlClient::connect(&daemons.state)?;
    let room = room(&mut client, &name)?;
    let member_list = pages::members(&mut client, &name)?;
    Ok(match json {
        true => crate::json(&Details { room, member_list }),
        false => render_list(&[room]) + "\n" + &render_members(&member_list),
    })
}

fn render_members(members: &[MemberRow]) -> String {
    let mut table = Table::new(&["MEMBER", "ROLE", "ONLINE", "UNREAD"]);
    for member in members {
        table.add([
            member.name.clone(),
            role(member.role).to_owned(),
            yes(member.is_online),
            member.unread.to_string(),
        ]);
    }
    table.render()
}

/// A role, for people.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Operator => "operator",
        Role::Member => "member",
    }
}

/// Ends a room; if that is not confirmed, only says what it has.
pub(crate) fn drop_room(
    daemons: &Daemons,
    json: bool,
    name: &str,
    is_confirmed: bool,
) -> Result<(String, ExitStatus), ControlError> {
    let name = with_mark(name);
    let mut client = ControlClient::connect(&daemons.state)?;
    if !is_confirmed {
        let room = room(&mut client, &name)?;
        let text = match json {
            true => crate::json(&room),
            false => format!(
                "{name} has {} members and had {} messages, {} of them unread; nothing is changed without --yes\n",
                room.members, room.messages, room.unread
            ),
        };
        return Ok((text, ExitStatus::NotConfirmed));
    }
    let room = name.clone();
    let text = match change(&mut client, Change::DropRoom { room })? {
        answer @ Answer::Done if json => crate::json(&answer),
        Answer::Done => {
            format!("{name} is dropped, and its history with it; its members are told\n")
        }
        _ => return Err(client.unexpected()),
    };
    Ok((text, ExitStatus::Done))
}

/// Sets for how many days the history of a room is kept.
pub(crate) fn set_retention(
    daemons: &Daemons,
    json: bool,
    name: &str,
    days: u32,
) -> Result<String, ControlError> {
    let name = with_mark(name);
    let mut client = ControlClient::connect(&daemons.state)?;
    let room = name.clone();
    match change(&mut client, Change::SetRoomRetention { room, days })? {
        answer @ (Answer::Done | Answer::Unchanged) if json => Ok(crate::json(&answer)),
        Answer::Done => Ok(format!(
            "the history of {name} is kept for {days} days; its members are told\n"
        )),
        Answer::Unchanged => Ok(format!(
            "the history of {name} is kept for {days} days already\n"
        )),
        _ => Err(client.unexpected()),
    }
}

fn room(client: &mut ControlClient, name: &str) -> Result<RoomRow, ControlError> {
    let name = name.to_owned();
    match client.ask_child(STATE, Question::Room { name })? {
        Answer::Room(room) => Ok(room),
        _ => Err(client.unexpected()),
    }
}

fn with_mark(name: &str) -> String {
    match name.starts_with(MARK) {
        true => name.to_owned(),
        false => format!("{MARK}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_of_room_may_be_left_out() {
        assert_eq!(with_mark("tea"), "#tea");
        assert_eq!(with_mark("#tea"), "#tea");
    }

    #[test]
    fn room_is_one_line() {
        let room = RoomRow {
            name: "#tea".to_owned(),
            owner: "ann".to_owned(),
            members: 2,
            online: 1,
            is_private: true,
            messages: 9,
            unread: 3,
            unread_bytes: 30,
            history_bytes: 900,
            retention_days: Some(30),
            topic: "green\u{2028}black".to_owned(),
        };
        let expected = "\
ROOM  OWNER  MEMBERS  ONLINE  PRIVATE  MESSAGES  UNREAD  BYTES  HISTORY  DAYS  TOPIC
#tea  ann    2        1       yes      9         3       30     900      30    green black
";
        assert_eq!(render_list(&[room]), expected);
    }
}
