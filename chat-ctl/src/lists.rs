//! `chatctl queues`, `accounts list`, `accounts show` and `blocks list`: what the state process knows.

use std::cmp::Reverse;

use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{
    AccountDetails, AccountRow, Answer, BlockRow, Question, QueueRow,
};
use jiff::Timestamp;

use crate::daemons::Daemons;
use crate::pages::{self, STATE};
use crate::rooms::role;
use crate::table::{Table, duration, yes};

/// Queues, those with the most first; `only_full` leaves the others out.
pub(crate) fn queues(
    daemons: &Daemons,
    json: bool,
    only_full: bool,
) -> Result<String, ControlError> {
    let mut queues = pages::queues(&mut ControlClient::connect(&daemons.state)?)?;
    queues.retain(|queue| queue.is_full || !only_full);
    queues.sort_by_key(|queue| Reverse((queue.messages, queue.broadcasts, queue.room_messages)));
    Ok(match json {
        true => crate::json(&queues),
        false => render_queues(&queues, Timestamp::now()),
    })
}

fn render_queues(queues: &[QueueRow], now: Timestamp) -> String {
    let age = |sent_ms: i64| {
        let age_ms = now.as_millisecond().saturating_sub(sent_ms);
        duration(u64::try_from(age_ms).unwrap_or(0) / 1_000)
    };
    let mut table = Table::new(&[
        "USER",
        "ONLINE",
        "MESSAGES",
        "BYTES",
        "BROADCASTS",
        "IN ROOMS",
        "OLDEST",
        "FULL",
    ]);
    for queue in queues {
        table.add([
            queue.name.clone(),
            yes(queue.is_online),
            queue.messages.to_string(),
            queue.bytes.to_string(),
            queue.broadcasts.to_string(),
            queue.room_messages.to_string(),
            queue.oldest_ms.map_or_else(String::new, age),
            yes(queue.is_full),
        ]);
    }
    table.render() + &holders_of_broadcasts(queues)
}

/// Broadcasts have one budget: who holds the most keeps the others from sending.
fn holders_of_broadcasts(queues: &[QueueRow]) -> String {
    let holders = queues.iter().filter(|queue| queue.broadcasts > 0);
    let count = holders.clone().count();
    // Whoever is offline holds them for longer, and the count of a sender has its own broadcasts in it.
    match holders.max_by_key(|queue| (queue.broadcasts, !queue.is_online)) {
        None => String::new(),
        Some(worst) => {
            let (name, broadcasts) = (&worst.name, worst.broadcasts);
            format!(
                "broadcasts are held by {count} accounts; {name} holds the most, {broadcasts}\n"
            )
        }
    }
}

pub(crate) fn accounts(daemons: &Daemons, json: bool) -> Result<String, ControlError> {
    let accounts = pages::accounts(&mut ControlClient::connect(&daemons.state)?)?;
    Ok(match json {
        true => crate::json(&accounts),
        false => render_accounts(&accounts),
    })
}

/// All of one account.
pub(crate) fn account(daemons: &Daemons, json: bool, name: &str) -> Result<String, ControlError> {
    let mut client = ControlClient::connect(&daemons.state)?;
    let name = name.to_owned();
    match client.ask_child(STATE, Question::Account { name })? {
        Answer::Account(account) if json => Ok(crate::json(&account)),
        Answer::Account(account) => Ok(render_account(&account)),
        _ => Err(client.unexpected()),
    }
}

fn render_account(account: &AccountDetails) -> String {
    let mut sessions = Table::new(&["SESSION", "ONLINE"]);
    for session in &account.sessions {
        sessions.add([session.name.clone(), yes(session.is_online)]);
    }
    let mut text = render_accounts(std::slice::from_ref(&account.row));
    text += "\n";
    text += &sessions.render();
    if !account.tokens.is_empty() {
        let mut tokens = Table::new(&["TOKEN"]);
        for token in &account.tokens {
            tokens.add([token.clone()]);
        }
        text += "\n";
        text += &tokens.render();
    }
    if !account.rooms.is_empty() {
        let mut rooms = Table::new(&["ROOM", "ROLE"]);
        for room in &account.rooms {
            rooms.add([room.name.clone(), role(room.role).to_owned()]);
        }
        text += "\n";
        text += &rooms.render();
    }
    text
}

fn render_accounts(accounts: &[AccountRow]) -> String {
    let mut table = Table::new(&["USER", "IN FILE", "DISABLED", "ONLINE", "WAITING"]);
    for account in accounts {
        table.add([
            account.name.clone(),
            yes(account.is_in_file),
            yes(account.is_disabled),
            yes(account.is_online),
            account.waiting.to_string(),
        ]);
    }
    table.render()
}

pub(crate) fn blocks(daemons: &Daemons, json: bool) -> Result<String, ControlError> {
    let blocks = pages::blocks(&mut ControlClient::connect(&daemons.state)?)?;
    Ok(match json {
        true => crate::json(&blocks),
        false => render_blocks(&blocks),
    })
}

fn render_blocks(blocks: &[BlockRow]) -> String {
    let mut table = Table::new(&["USER", "ADDRESS", "LEFT"]);
    for block in blocks {
        table.add([
            block.name.clone(),
            block.address.to_string(),
            format!("{}s", block.seconds_left),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, messages: u64, broadcasts: u64) -> QueueRow {
        QueueRow {
            name: name.to_owned(),
            is_online: broadcasts == 0,
            messages,
            bytes: 10 * messages,
            is_full: messages > 1,
            broadcasts,
            room_messages: 2 * broadcasts,
            oldest_ms: Some(1_000),
        }
    }

    #[test]
    fn queues_name_holder_of_broadcasts() {
        let now = Timestamp::from_second(8).unwrap();
        let queues = [queue("ann", 2, 0), queue("bob", 1, 7), queue("carol", 0, 3)];
        let expected = "\
USER   ONLINE  MESSAGES  BYTES  BROADCASTS  IN ROOMS  OLDEST  FULL
ann    yes     2         20     0           0         7s      yes
bob            1         10     7           14        7s
carol          0         0      3           6         7s
broadcasts are held by 2 accounts; bob holds the most, 7
";
        assert_eq!(render_queues(&queues, now), expected);
    }
}
