//! What changes the state: blocks and accounts. Each change is on disk before it is reported, and stands in the
//! security log with the user and the process that asked.

use std::net::IpAddr;

use chat_node::control::change::{Change, TypedPassword};
use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{Answer, Question, QueueRow};
use jiff::Timestamp;

use crate::daemons::Daemons;
use crate::exit_status::ExitStatus;
use crate::new_password;
use crate::pages::{self, STATE};
use crate::table::duration;

/// Ends the blocks of a user, of an address, or all.
pub(crate) fn lift_blocks(
    daemons: &Daemons,
    json: bool,
    name: Option<String>,
    address: Option<IpAddr>,
) -> Result<String, ControlError> {
    let mut client = ControlClient::connect(&daemons.state)?;
    match change(&mut client, Change::LiftBlocks { name, address })? {
        answer @ Answer::Lifted { .. } if json => Ok(crate::json(&answer)),
        Answer::Lifted { blocks: 0 } => Ok("no such block holds\n".to_owned()),
        Answer::Lifted { blocks: 1 } => Ok("1 block is lifted\n".to_owned()),
        Answer::Lifted { blocks } => Ok(format!("{blocks} blocks are lifted\n")),
        _ => Err(client.unexpected()),
    }
}

/// Makes an account.
pub(crate) fn add_account(
    daemons: &Daemons,
    json: bool,
    name: &str,
) -> Result<String, ControlError> {
    let (name, password) = (name.to_owned(), new_password(daemons)?);
    let said = [format!("{name} is added"), String::new()];
    of_account(daemons, json, Change::AddAccount { name, password }, said)
}

/// Gives an account another password.
pub(crate) fn set_password(
    daemons: &Daemons,
    json: bool,
    name: &str,
) -> Result<String, ControlError> {
    let (name, password) = (name.to_owned(), new_password(daemons)?);
    let said = [
        format!("{name} has a new password; no session of before goes on"),
        String::new(),
    ];
    of_account(daemons, json, Change::SetPassword { name, password }, said)
}

/// Lets nobody log in.
pub(crate) fn disable_account(
    daemons: &Daemons,
    json: bool,
    name: &str,
) -> Result<String, ControlError> {
    let said = ["", " already"].map(|already| format!("{name} is disabled{already}"));
    let name = name.to_owned();
    of_account(daemons, json, Change::DisableAccount { name }, said)
}

/// Lets the user of a disabled account log in again.
pub(crate) fn enable_account(
    daemons: &Daemons,
    json: bool,
    name: &str,
) -> Result<String, ControlError> {
    let said = ["", " already"].map(|already| format!("{name} is enabled{already}"));
    let name = name.to_owned();
    of_account(daemons, json, Change::EnableAccount { name }, said)
}

/// Gives up what waits for a user, disables the account, and removes its password; if that is not confirmed, only says
/// what waits.
pub(crate) fn forget_account(
    daemons: &Daemons,
    json: bool,
    name: &str,
    is_confirmed: bool,
) -> Result<(String, ExitStatus), ControlError> {
    let mut client = ControlClient::connect(&daemons.state)?;
    if !is_confirmed {
        let queues = pages::queues(&mut client)?;
        let queue = queues.into_iter().find(|queue| queue.name == name);
        let text = match (json, queue) {
            (true, queue) => crate::json(&queue),
            (false, queue) => would_give_up(name, queue.as_ref(), Timestamp::now()),
        };
        return Ok((text, ExitStatus::NotConfirmed));
    }
    let name = name.to_owned();
    let text = match change(&mut client, Change::ForgetAccount { name: name.clone() })? {
        answer @ Answer::Forgotten { .. } if json => crate::json(&answer),
        Answer::Forgotten {
            messages,
            bytes,
            broadcasts,
            room_messages,
        } => {
            let what = waiting(messages, bytes, broadcasts, room_messages);
            format!("{name} is forgotten; {what} were given up\n")
        }
        _ => return Err(client.unexpected()),
    };
    Ok((text, ExitStatus::Done))
}

fn would_give_up(name: &str, queue: Option<&QueueRow>, now: Timestamp) -> String {
    let what = match queue {
        None => format!("nothing waits for {name}"),
        Some(queue) => {
            let sent_ms = queue.oldest_ms.unwrap_or_else(|| now.as_millisecond());
            let age_ms = now.as_millisecond().saturating_sub(sent_ms);
            let age = duration(u64::try_from(age_ms).unwrap_or(0) / 1_000);
            let what = waiting(
                queue.messages,
                queue.bytes,
                queue.broadcasts,
                queue.room_messages,
            );
            format!("{what} wait for {name}, the oldest for {age}")
        }
    };
    format!("{what}; nothing is changed without --yes\n")
}

/// What is in a queue. Of rooms only if there is anything.
fn waiting(messages: u64, bytes: u64, broadcasts: u64, room_messages: u64) -> String {
    match room_messages {
        0 => format!("{messages} messages of {bytes} bytes and {broadcasts} broadcasts"),
        _ => format!(
            "{messages} messages of {bytes} bytes, {broadcasts} broadcasts and {room_messages} messages of rooms"
        ),
    }
}

/// Lets a token stand for the password no longer.
pub(crate) fn drop_token(
    daemons: &Daemons,
    json: bool,
    name: &str,
    token: &str,
) -> Result<String, ControlError> {
    let said = format!("{token} is no token of {name} any more; its sessions go on until they end");
    let wanted = Change::DropToken {
        name: name.to_owned(),
        token: token.to_owned(),
    };
    of_account(daemons, json, wanted, [said, String::new()])
}

/// Sends a broadcast in the name of an account.
pub(crate) fn announce(
    daemons: &Daemons,
    json: bool,
    sender: &str,
    text: &str,
) -> Result<String, ControlError> {
    let wanted = Change::Announce {
        sender: sender.to_owned(),
        text: text.to_owned(),
    };
    let said = ["it is announced".to_owned(), String::new()];
    of_account(daemons, json, wanted, said)
}

fn new_password(daemons: &Daemons) -> Result<TypedPassword, ControlError> {
    let program = daemons.state.program();
    // Nobody types a password for a server that does not run.
    ControlClient::connect(&daemons.state)?;
    new_password::read().map_err(|reason| ControlError::Refused { program, reason })
}

/// Says the first if it is done, and the second if it was so already.
fn of_account(
    daemons: &Daemons,
    json: bool,
    wanted: Change,
    [done, unchanged]: [String; 2],
) -> Result<String, ControlError> {
    let mut client = ControlClient::connect(&daemons.state)?;
    match change(&mut client, wanted)? {
        answer @ (Answer::Done | Answer::Unchanged) if json => Ok(crate::json(&answer)),
        Answer::Done => Ok(done + "\n"),
        Answer::Unchanged => Ok(unchanged + "\n"),
        _ => Err(client.unexpected()),
    }
}

pub(crate) fn change(client: &mut ControlClient, change: Change) -> Result<Answer, ControlError> {
    client.ask_child(STATE, Question::Change { change })
}
