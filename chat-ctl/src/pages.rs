//! Lists that a child gives in pages.

use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{
    AccountRow, Answer, BlockRow, ClientRow, MemberRow, Page, Question, QueueRow, RoomRow,
    SessionRow,
};

/// The number of the state process.
pub(crate) const STATE: u32 = 1;

pub(crate) fn sessions(client: &mut ControlClient) -> Result<Vec<SessionRow>, ControlError> {
    all(
        client,
        STATE,
        |after| Question::Sessions { after },
        |answer| match answer {
            Answer::Sessions(page) => Some(page),
            _ => None,
        },
    )
}

pub(crate) fn queues(client: &mut ControlClient) -> Result<Vec<QueueRow>, ControlError> {
    all(
        client,
        STATE,
        |from| Question::Queues { from },
        |answer| match answer {
            Answer::Queues(page) => Some(page),
            _ => None,
        },
    )
}

pub(crate) fn accounts(client: &mut ControlClient) -> Result<Vec<AccountRow>, ControlError> {
    all(
        client,
        STATE,
        |from| Question::Accounts { from },
        |answer| match answer {
            Answer::Accounts(page) => Some(page),
            _ => None,
        },
    )
}

pub(crate) fn blocks(client: &mut ControlClient) -> Result<Vec<BlockRow>, ControlError> {
    all(
        client,
        STATE,
        |after| Question::Blocks { after },
        |answer| match answer {
            Answer::Blocks(page) => Some(page),
            _ => None,
        },
    )
}

pub(crate) fn rooms(client: &mut ControlClient) -> Result<Vec<RoomRow>, ControlError> {
    all(
        client,
        STATE,
        |from| Question::Rooms { from },
        |answer| match answer {
            Answer::Rooms(page) => Some(page),
            _ => None,
        },
    )
}

/// The members of a room.
pub(crate) fn members(
    client: &mut ControlClient,
    room: &str,
) -> Result<Vec<MemberRow>, ControlError> {
    let room = || room.to_owned();
    all(
        client,
        STATE,
        |after| Question::Members {
            room: room(),
            after,
        },
        |answer| match answer {
            Answer::Members(page) => Some(page),
            _ => None,
        },
    )
}

/// The clients of a worker.
pub(crate) fn clients(
    client: &mut ControlClient,
    worker: u32,
) -> Result<Vec<ClientRow>, ControlError> {
    all(
        client,
        worker,
        |from| Question::Clients { from },
        |answer| match answer {
            Answer::Clients(page) => Some(page),
            _ => None,
        },
    )
}

fn all<Row, Place>(
    client: &mut ControlClient,
    child: u32,
    question: impl Fn(Option<Place>) -> Question,
    page_of: impl Fn(Answer) -> Option<Page<Row, Place>>,
) -> Result<Vec<Row>, ControlError> {
    let (mut rows, mut place) = (Vec::new(), None);
    loop {
        let answer = client.ask_child(child, question(place))?;
        let page = page_of(answer).ok_or_else(|| client.unexpected())?;
        rows.extend(page.rows);
        place = page.next;
        if place.is_none() {
            return Ok(rows);
        }
    }
}
