//! What changes the state: blocks and accounts. Each change is on disk before it is reported, and stands in the
//! security log with the user and the process that asked.

use std::net::IpAddr;

use chat_node::control::change::Change;
use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{Answer, Question};

use crate::daemons::Daemons;
use crate::pages::STATE;

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

fn change(client: &mut ControlClient, change: Change) -> Result<Answer, ControlError> {
    client.ask_child(STATE, Question::Change { change })
}
