//! Does the steps of a dialogue, and tells where it went another way.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::account_file;
use super::connection::{Connection, Received};
use super::dialogue::{
    ClientName, ClientStep, Dialogue, InstallationStep, Line, Open, Step, Victim,
};
use super::installation::{Installation, Transport};
use super::pattern::{Pattern, SeenNumbers};
use super::processes::{self, PATIENCE, wait_for};

/// How the clients' bytes travel. What the server answers must not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line at a time, ended by LF.
    AsWritten,
    /// Each byte in a packet of its own, lines ended by CR LF.
    ByteByByte,
    /// All lines of a client up to the next step that is not its own go out before the first answer is read.
    AtOnce,
}

/// Every form.
pub(crate) const FORMS: [Form; 3] = [Form::AsWritten, Form::ByteByByte, Form::AtOnce];

/// Replays a dialogue on a fresh installation with these accounts. The error is a whole report.
pub(crate) fn replay(
    dialogue: &Dialogue,
    accounts: &Path,
    form: Form,
    transport: Transport,
) -> Result<(), String> {
    if dialogue.as_written_only && form != Form::AsWritten {
        return Ok(());
    }
    let installation = Installation::prepare(accounts, &dialogue.settings, transport)
        .map_err(|error| format!("{}: {error}", dialogue.name))?;
    let mut replay = Replay {
        installation: &installation,
        form,
        clients: HashMap::new(),
        numbers: HashMap::new(),
        so_far: Vec::new(),
    };
    let result = replay.run(dialogue);
    let so_far = replay.so_far.join("\n");
    drop(replay.clients);
    let result = result.and_then(|()| installation.end());
    result.map_err(|error| {
        format!(
            "{} ({form:?}): {error}\n--- the dialogue so far\n{so_far}\n{}",
            dialogue.name,
            installation.log_tails()
        )
    })
}

struct Replay<'a> {
    installation: &'a Installation,
    form: Form,
    clients: HashMap<ClientName, Connection>,
    numbers: HashMap<ClientName, SeenNumbers>,
    so_far: Vec<String>,
}

impl Replay<'_> {
    fn run(&mut self, dialogue: &Dialogue) -> Result<(), String> {
        self.installation.script("start")?;
        let mut rest = dialogue.lines.as_slice();
        while let Some(first) = rest.first() {
            let (stretch, after) = rest.split_at(stretch_length(rest));
            let done = match &first.step {
                Step::Installation(step) => {
                    self.so_far.push(first.written.clone());
                    self.change_installation(step)
                        .map_err(|error| (first, error))
                }
                Step::Client(client, _) => self.run_stretch(*client, stretch),
            };
            done.map_err(|(line, error)| {
                format!("line {}: {}\n{error}", line.number, line.written)
            })?;
            rest = after;
        }
        Ok(())
    }

    fn run_stretch<'l>(
        &mut self,
        client: ClientName,
        stretch: &'l [Line],
    ) -> Result<(), (&'l Line, String)> {
        let at_once = self.form == Form::AtOnce && stretch.len() > 1;
        if at_once {
            self.send_all(client, stretch)
                .map_err(|error| (&stretch[0], error))?;
        }
        let mut rest = stretch;
        while let Some(line) = rest.first() {
            let group = any_order_group(rest);
            if !group.is_empty() {
                self.expect_any_order(client, &group)
                    .map_err(|error| (line, error))?;
                rest = &rest[group.len()..];
                continue;
            }
            rest = &rest[1..];
            if let Step::Client(_, step) = &line.step
                && !(at_once && is_sending(step))
            {
                self.act(client, step, &line.written)
                    .map_err(|error| (line, error))?;
            }
        }
        Ok(())
    }

    fn send_all(&mut self, client: ClientName, stretch: &[Line]) -> Result<(), String> {
        let mut bytes = Vec::new();
        for line in stretch {
            match &line.step {
                Step::Client(_, ClientStep::Send(text)) => {
                    bytes.extend_from_slice(text);
                    bytes.push(b'\n');
                }
                Step::Client(_, ClientStep::SendRaw(raw)) => bytes.extend_from_slice(raw),
                _ => continue,
            }
            self.so_far.push(line.written.clone());
        }
        self.connection(client)?.send(&bytes)
    }

    fn act(&mut self, client: ClientName, step: &ClientStep, written: &str) -> Result<(), String> {
        let is_sent = !matches!(step, ClientStep::Expect(_) | ClientStep::Closed);
        if is_sent {
            self.so_far.push(written.to_owned());
        }
        match step {
            ClientStep::Open(how) => {
                let connection = self.open(how)?;
                self.clients.insert(client, connection);
                Ok(())
            }
            ClientStep::OpenUntil { line, answer } => self.open_until(client, line, answer),
            ClientStep::Send(text) => self.send_line(client, text),
            ClientStep::SendRaw(bytes) => self.send_bytes(client, bytes),
            ClientStep::Fin => self.connection(client)?.finish(),
            ClientStep::Reset => self.take(client)?.reset(),
            ClientStep::Expect(pattern) => self.expect(client, pattern),
            ClientStep::ExpectAnyOrder(_) => unreachable!("taken as a group"),
            ClientStep::Closed => self.expect_end(client, false),
            ClientStep::CutOff => self.expect_end(client, true),
            ClientStep::Silence(time) => self.expect_silence(client, *time),
        }
    }

    fn connection(&mut self, client: ClientName) -> Result<&mut Connection, String> {
        self.clients
            .get_mut(&client)
            .ok_or_else(|| format!("{client} is not connected"))
    }

    fn take(&mut self, client: ClientName) -> Result<Connection, String> {
        self.clients
            .remove(&client)
            .ok_or_else(|| format!("{client} is not connected"))
    }

    fn open(&mut self, how: &Open) -> Result<Connection, String> {
        match how {
            Open::Anyhow => self.installation.connect(None),
            Open::From(source) => self.installation.connect(Some(*source)),
            Open::ApartFrom(other) => self.open_apart_from(*other),
        }
    }

    /// The other's worker stands still meanwhile, so that it cannot be the one that accepts.
    fn open_apart_from(&mut self, other: ClientName) -> Result<Connection, String> {
        const MOST_TRIES: usize = 100;
        let server = self.installation.listen();
        let master = self.installation.master()?;
        wait_for("a second worker", || {
            (processes::children(master).len() > 1).then_some(())
        })?;
        let avoided = self.worker_of(other)?;
        processes::signal(avoided, Signal::SIGSTOP);
        let mut useless = Vec::new();
        let found = (0..MOST_TRIES).find_map(|_| {
            let connection = Connection::open(server, None).ok()?;
            let client = connection.local_address().ok()?;
            let end = Instant::now() + Duration::from_millis(500);
            while Instant::now() < end {
                if processes::holder(&processes::children(master), server, client).is_some() {
                    return Some(connection);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            useless.push(connection);
            None
        });
        processes::signal(avoided, Signal::SIGCONT);
        let found = found.ok_or_else(|| format!("no other worker than {other}'s accepts"))?;
        self.installation.secured(found)
    }

    fn worker_of(&mut self, client: ClientName) -> Result<i32, String> {
        let address = self.connection(client)?.local_address()?;
        let server = self.installation.listen();
        let master = self.installation.master()?;
        wait_for("the worker that holds a connection", || {
            processes::holder(&processes::children(master), server, address)
        })
    }

    fn open_until(
        &mut self,
        client: ClientName,
        line: &str,
        answer: &Pattern,
    ) -> Result<(), String> {
        let installation = self.installation;
        let connection = wait_for(&format!("{line} gets {}", answer.written()), || {
            let mut connection = installation.connect(None).ok()?;
            connection.send(format!("{line}\n").as_bytes()).ok()?;
            match connection.receive() {
                Received::Line(line) if answer.matches(&line, &mut SeenNumbers::default()) => {
                    Some(connection)
                }
                _ => None,
            }
        })?;
        self.clients.insert(client, connection);
        Ok(())
    }

    fn send_line(&mut self, client: ClientName, text: &[u8]) -> Result<(), String> {
        let mut bytes = text.to_vec();
        bytes.extend_from_slice(match self.form {
            Form::ByteByByte => b"\r\n",
            Form::AsWritten | Form::AtOnce => b"\n",
        });
        self.send_bytes(client, &bytes)
    }

    fn send_bytes(&mut self, client: ClientName, bytes: &[u8]) -> Result<(), String> {
        let form = self.form;
        let connection = self.connection(client)?;
        match form {
            Form::ByteByByte => connection.send_byte_by_byte(bytes),
            Form::AsWritten | Form::AtOnce => connection.send(bytes),
        }
    }

    fn receive(&mut self, client: ClientName, limit: Duration) -> Result<Received, String> {
        let received = self.connection(client)?.receive_within(limit);
        self.so_far.push(match &received {
            Received::Line(_) => format!("{client}< {received}"),
            _ => format!("{client}  {received}"),
        });
        Ok(received)
    }

    fn expect(&mut self, client: ClientName, pattern: &Pattern) -> Result<(), String> {
        let received = self.receive(client, PATIENCE)?;
        if let Received::Line(line) = &received
            && pattern.matches(line, self.numbers.entry(client).or_default())
        {
            return Ok(());
        }
        Err(format!(
            "  expected: {}\n  received: {received}",
            pattern.written()
        ))
    }

    fn expect_any_order(&mut self, client: ClientName, group: &[&Pattern]) -> Result<(), String> {
        let mut awaited = group.to_vec();
        while !awaited.is_empty() {
            let received = self.receive(client, PATIENCE)?;
            let numbers = self.numbers.entry(client).or_default();
            let place = match &received {
                Received::Line(line) => awaited
                    .iter()
                    .position(|pattern| pattern.matches(line, numbers)),
                _ => None,
            };
            let Some(place) = place else {
                let expected: Vec<_> = awaited.iter().map(|pattern| pattern.written()).collect();
                return Err(format!(
                    "  expected one of: {}\n  received: {received}",
                    expected.join("\n                   ")
                ));
            };
            awaited.remove(place);
        }
        Ok(())
    }

    fn expect_end(&mut self, client: ClientName, may_break: bool) -> Result<(), String> {
        let received = self.receive(client, PATIENCE)?;
        let is_end = match &received {
            Received::Closed(left) => left.is_empty(),
            Received::Broken(_) => may_break,
            Received::Line(_) | Received::Nothing(_) => false,
        };
        if is_end {
            self.take(client)?;
            return Ok(());
        }
        Err(format!(
            "  expected: the end of the connection\n  received: {received}"
        ))
    }

    fn expect_silence(&mut self, client: ClientName, time: Duration) -> Result<(), String> {
        let received = self.receive(client, time)?;
        if received == Received::Nothing(Vec::new()) {
            return Ok(());
        }
        Err(format!("  expected: nothing\n  received: {received}"))
    }

    fn change_installation(&mut self, step: &InstallationStep) -> Result<(), String> {
        let installation = self.installation;
        let accounts = installation.accounts();
        match step {
            InstallationStep::Stop => installation.script("stop"),
            InstallationStep::Start => installation.script("start"),
            InstallationStep::Reload => installation.script("reload"),
            InstallationStep::Wait(time) => {
                std::thread::sleep(*time);
                Ok(())
            }
            InstallationStep::Kill(victim) => self.kill(victim),
            InstallationStep::Pause(victim) => self.signal(victim, Signal::SIGSTOP),
            InstallationStep::Continue(victim) => self.signal(victim, Signal::SIGCONT),
            InstallationStep::AppendToAccounts(bytes) => account_file::append(&accounts, bytes),
            InstallationStep::RemoveFromAccounts(name) => account_file::remove(&accounts, name),
            InstallationStep::AccountsHave(pattern) => account_file::await_line(&accounts, pattern),
        }
    }

    fn kill(&mut self, victim: &Victim) -> Result<(), String> {
        let pids = self.pids_of(victim)?;
        match victim {
            Victim::Supervisor | Victim::Master => pids.into_iter().try_for_each(kill_family),
            Victim::State | Victim::Workers | Victim::WorkerOf(_) => processes::kill_hard(&pids),
        }
    }

    fn signal(&mut self, victim: &Victim, signal: Signal) -> Result<(), String> {
        for pid in self.pids_of(victim)? {
            processes::signal(pid, signal);
        }
        Ok(())
    }

    fn pids_of(&mut self, victim: &Victim) -> Result<Vec<i32>, String> {
        let installation = self.installation;
        Ok(match victim {
            Victim::State => vec![installation.state_daemon()?],
            Victim::Workers => installation.workers()?,
            Victim::WorkerOf(client) => vec![self.worker_of(*client)?],
            Victim::Supervisor => vec![installation.supervisor()?],
            Victim::Master => vec![installation.master()?],
        })
    }
}

/// Kills the parent only; its children must end by themselves.
fn kill_family(parent: i32) -> Result<(), String> {
    let mut family = processes::children(parent);
    processes::kill_hard(&[parent])?;
    family.push(parent);
    processes::wait_gone(&family)
}

/// How many lines can be done together: those of one client that only send and receive.
fn stretch_length(lines: &[Line]) -> usize {
    let Some(Step::Client(client, _)) = lines.first().map(|line| &line.step) else {
        return 1;
    };
    let talks = |line: &&Line| match &line.step {
        Step::Client(of, step) => of == client && (is_sending(step) || is_receiving(step)),
        Step::Installation(_) => false,
    };
    lines.iter().take_while(talks).count().max(1)
}

fn is_sending(step: &ClientStep) -> bool {
    matches!(step, ClientStep::Send(_) | ClientStep::SendRaw(_))
}

fn is_receiving(step: &ClientStep) -> bool {
    matches!(step, ClientStep::Expect(_) | ClientStep::ExpectAnyOrder(_))
}

fn any_order_group(lines: &[Line]) -> Vec<&Pattern> {
    lines
        .iter()
        .map_while(|line| match &line.step {
            Step::Client(_, ClientStep::ExpectAnyOrder(pattern)) => Some(pattern),
            _ => None,
        })
        .collect()
}
