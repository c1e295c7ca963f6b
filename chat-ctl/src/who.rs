//! `chatctl who`: who is logged in, from where, and for how long. The state process knows the users, the workers know
//! their connections.

use std::collections::HashMap;
use std::net::IpAddr;

use chat_node::control::client::{ControlClient, ControlError};
use chat_node::control::protocol::{ClientRow, Report, Request, SessionRow};
use chat_node::logs::output;
use jiff::Timestamp;
use serde::Serialize;

use crate::daemons::Daemons;
use crate::exit_status::ExitStatus;
use crate::pages;
use crate::table::{Table, duration, time_before, yes};

/// A user, and the connection as far as it is known.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct User {
    user: String,
    source: Option<IpAddr>,
    connected_s: Option<u64>,
    idle_s: Option<u64>,
    /// The number of the worker.
    worker: Option<u32>,
    is_tls: Option<bool>,
}

/// The clients of a worker that has answered.
struct Worker {
    number: u32,
    clients: HashMap<u64, ClientRow>,
}

pub(crate) fn run(daemons: &Daemons, json: bool) -> Result<(String, ExitStatus), ControlError> {
    let sessions = pages::sessions(&mut ControlClient::connect(&daemons.state)?)?;
    let (workers, is_complete) = workers(daemons)?;
    let users = join(sessions, &workers);
    let text = match json {
        true => crate::json(&users),
        false => render(&users, Timestamp::now()),
    };
    let status = match is_complete {
        true => ExitStatus::Done,
        false => ExitStatus::NotDone,
    };
    Ok((text, status))
}

/// All workers by process, and whether each has answered.
fn workers(daemons: &Daemons) -> Result<(HashMap<u32, Worker>, bool), ControlError> {
    let mut client = ControlClient::connect(&daemons.front_end)?;
    let Report::Status(report) = client.ask(&Request::Status)? else {
        return Err(client.unexpected());
    };
    let (mut workers, mut is_complete) = (HashMap::new(), true);
    for (child, number) in report.status.children.iter().zip(1..) {
        let Some(process) = child.process else {
            continue;
        };
        match pages::clients(&mut client, number) {
            Ok(clients) => {
                let clients = clients.into_iter().map(|it| (it.connection, it));
                let clients = clients.collect();
                workers.insert(process.pid.cast_unsigned(), Worker { number, clients });
            }
            Err(ControlError::Refused { reason, .. }) => {
                is_complete = false;
                output::complain(format_args!("chatctl: the list is not complete: {reason}"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((workers, is_complete))
}

fn join(sessions: Vec<SessionRow>, workers: &HashMap<u32, Worker>) -> Vec<User> {
    let join = |session: SessionRow| {
        let worker = session.worker_pid.and_then(|pid| workers.get(&pid));
        let client = worker.and_then(|worker| worker.clients.get(&session.connection));
        User {
            user: session.name,
            source: client.and_then(|client| client.source),
            connected_s: client.map(|client| client.connected_s),
            idle_s: client.map(|client| client.idle_s),
            worker: worker.map(|worker| worker.number),
            is_tls: client.map(|client| client.is_tls),
        }
    };
    sessions.into_iter().map(join).collect()
}

fn render(users: &[User], now: Timestamp) -> String {
    let unknown = || "?".to_owned();
    let mut table = Table::new(&["USER", "SOURCE", "SINCE", "IDLE", "WORKER", "TLS"]);
    for user in users {
        table.add([
            user.user.clone(),
            user.source.map_or_else(unknown, |it| it.to_string()),
            user.connected_s
                .map_or_else(unknown, |seconds| time_before(now, seconds)),
            user.idle_s.map_or_else(unknown, duration),
            user.worker.map_or_else(unknown, |it| it.to_string()),
            user.is_tls.map_or_else(unknown, yes),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: &str, worker_pid: Option<u32>, connection: u64) -> SessionRow {
        SessionRow {
            name: name.to_owned(),
            worker_pid,
            worker_session: 1,
            connection,
        }
    }

    #[test]
    fn users_are_joined_with_their_connections() {
        let client = ClientRow {
            connection: 9,
            source: Some(IpAddr::from([192, 0, 2, 7])),
            connected_s: 60,
            idle_s: 3,
            is_tls: true,
        };
        let worker = Worker {
            number: 2,
            clients: HashMap::from([(9, client)]),
        };
        let workers = HashMap::from([(77, worker)]);
        let sessions = vec![
            session("ann", Some(77), 9),
            session("bob", Some(77), 8),
            session("carol", Some(78), 9),
            session("dave", None, 9),
        ];
        let users = join(sessions, &workers);
        let now = Timestamp::from_second(1_700_000_060).unwrap();
        let expected = "\
USER   SOURCE     SINCE                 IDLE  WORKER  TLS
ann    192.0.2.7  2023-11-14T22:13:20Z  3s    2       yes
bob    ?          ?                     ?     2       ?
carol  ?          ?                     ?     ?       ?
dave   ?          ?                     ?     ?       ?
";
        assert_eq!(render(&users, now), expected);
    }
}
