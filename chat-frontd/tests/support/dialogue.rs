//! A written dialogue, as its steps.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::escape::unescape;
use super::pattern::Pattern;

/// One `.chat` file.
#[derive(Debug)]
pub(crate) struct Dialogue {
    /// File name, for messages.
    pub name: String,
    /// Environment of the installation, beyond the usual.
    pub settings: Vec<(String, String)>,
    /// Whether only the form that stands in the file is to be replayed.
    pub as_written_only: bool,
    /// In order.
    pub lines: Vec<Line>,
}

/// A line of the file that is to be done.
#[derive(Debug)]
pub(crate) struct Line {
    /// From 1.
    pub number: usize,
    /// As it stands there.
    pub written: String,
    /// What it means.
    pub step: Step,
}

/// Names a client within a dialogue.
pub(crate) type ClientName = char;

/// Something to do or to see.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// What concerns one client.
    Client(ClientName, ClientStep),
    /// What concerns the installation.
    Installation(InstallationStep),
}

/// Something to do or to see at one client's end.
#[derive(Debug, PartialEq)]
pub(crate) enum ClientStep {
    /// Connect.
    Open(Open),
    /// Connect and name a user, anew each time, until the answer is this.
    OpenUntil {
        /// What is sent.
        line: String,
        /// What is to come at last.
        answer: Pattern,
    },
    /// The server has closed in good order, and there is nothing left to read.
    Closed,
    /// The connection is gone, in any way.
    CutOff,
    /// Shut the sending side.
    Fin,
    /// Drop the connection with a reset.
    Reset,
    /// Send a line and its end.
    Send(Vec<u8>),
    /// Send just these bytes.
    SendRaw(Vec<u8>),
    /// The next line is this.
    Expect(Pattern),
    /// The next lines are these, with those around that say the same, in any order.
    ExpectAnyOrder(Pattern),
    /// Nothing comes for so long.
    Silence(Duration),
}

/// How to connect.
#[derive(Debug, PartialEq)]
pub(crate) enum Open {
    /// In any way.
    Anyhow,
    /// With this source address.
    From(IpAddr),
    /// To another worker than that client's.
    ApartFrom(ClientName),
}

/// Something to do with the installation.
#[derive(Debug, PartialEq)]
pub(crate) enum InstallationStep {
    /// `scripts/stop`.
    Stop,
    /// `scripts/start`.
    Start,
    /// `scripts/reload`.
    Reload,
    /// Let time pass.
    Wait(Duration),
    /// kill -9.
    Kill(Victim),
    /// Stop it where it is.
    Pause(Victim),
    /// Let it go on.
    Continue(Victim),
    /// Add these bytes to the account file.
    AppendToAccounts(Vec<u8>),
    /// Remove all lines of this name from the account file.
    RemoveFromAccounts(String),
    /// The account file has a line like this, soon.
    AccountsHave(Pattern),
}

/// Processes of an installation.
#[derive(Debug, PartialEq)]
pub(crate) enum Victim {
    /// The process that holds the state.
    State,
    /// Its parent.
    Supervisor,
    /// The parent of the workers.
    Master,
    /// All workers.
    Workers,
    /// The worker that holds this client's connection.
    WorkerOf(ClientName),
}

impl Dialogue {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self::parse(&name, &text)
    }

    /// Understands a text, or says which of its lines it does not.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut dialogue = Self {
            name: name.to_owned(),
            settings: Vec::new(),
            as_written_only: false,
            lines: Vec::new(),
        };
        for (index, written) in text.lines().enumerate() {
            if let Some(comment) = written.strip_prefix('#') {
                dialogue.read_comment(comment.trim());
            } else if !written.is_empty() {
                let step = parse_step(written)
                    .map_err(|why| format!("{name}:{}: {why}: {written}", index + 1))?;
                dialogue.lines.push(Line {
                    number: index + 1,
                    written: written.to_owned(),
                    step,
                });
            }
        }
        if dialogue.lines.is_empty() {
            return Err(format!("{name}: nothing to do in it"));
        }
        Ok(dialogue)
    }

    /// Settings count only before the first step, so that nobody takes a later one for something that happens there.
    fn read_comment(&mut self, comment: &str) {
        if !self.lines.is_empty() {
            return;
        }
        if comment.starts_with("as written only:") {
            self.as_written_only = true;
        }
        if let Some((key, value)) = comment.split_once('=')
            && !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        {
            self.settings.push((key.to_owned(), value.to_owned()));
        }
    }
}

fn parse_step(written: &str) -> Result<Step, String> {
    if let Some(rest) = written.strip_prefix("! ") {
        return parse_installation_step(rest).map(Step::Installation);
    }
    let client = written.chars().next().ok_or("an empty line")?;
    if !client.is_ascii_lowercase() {
        return Err("a line begins with a client's letter, with ! or with #".to_owned());
    }
    parse_client_step(&written[1..]).map(|step| Step::Client(client, step))
}

fn parse_client_step(written: &str) -> Result<ClientStep, String> {
    let (kind, rest) = written.split_once(' ').unwrap_or((written, ""));
    Ok(match kind {
        ">" => ClientStep::Send(rest.as_bytes().to_vec()),
        ">>" => ClientStep::SendRaw(unescape(rest)?),
        "<" => ClientStep::Expect(Pattern::parse(rest)),
        "?" => ClientStep::ExpectAnyOrder(Pattern::parse(rest)),
        "~" => ClientStep::Silence(parse_silence(rest)?),
        "!" => parse_client_act(rest)?,
        _ => return Err("after the letter comes one of > >> < ? ~ !".to_owned()),
    })
}

fn parse_silence(written: &str) -> Result<Duration, String> {
    written
        .strip_prefix("nothing for ")
        .and_then(|rest| rest.strip_suffix(" ms"))
        .and_then(|number| number.parse().ok())
        .map(Duration::from_millis)
        .ok_or_else(|| "nothing for N ms is meant".to_owned())
}

fn parse_client_act(written: &str) -> Result<ClientStep, String> {
    if let Some(rest) = written.strip_prefix("open until ") {
        let (line, answer) = rest
            .split_once(" gets ")
            .ok_or("open until LINE gets ANSWER is meant")?;
        return Ok(ClientStep::OpenUntil {
            line: line.to_owned(),
            answer: Pattern::parse(answer),
        });
    }
    if let Some(address) = written.strip_prefix("open from ") {
        let address = address
            .parse()
            .map_err(|error| format!("{address}: {error}"))?;
        return Ok(ClientStep::Open(Open::From(address)));
    }
    if let Some(other) = written.strip_prefix("open apart from ") {
        return Ok(ClientStep::Open(Open::ApartFrom(parse_client_name(other)?)));
    }
    Ok(match written {
        "open" => ClientStep::Open(Open::Anyhow),
        "closed" => ClientStep::Closed,
        "cut off" => ClientStep::CutOff,
        "fin" => ClientStep::Fin,
        "reset" => ClientStep::Reset,
        _ => return Err("a client can open, closed, cut off, fin, reset".to_owned()),
    })
}

fn parse_client_name(written: &str) -> Result<ClientName, String> {
    let mut drafts = written.chars();
    match (drafts.next(), drafts.next()) {
        (Some(draft), None) if draft.is_ascii_lowercase() => Ok(draft),
        _ => Err(format!("{written}: a client is one small letter")),
    }
}

fn parse_installation_step(written: &str) -> Result<InstallationStep, String> {
    let (word, rest) = written.split_once(' ').unwrap_or((written, ""));
    Ok(match (word, rest) {
        ("stop", "") => InstallationStep::Stop,
        ("start", "") => InstallationStep::Start,
        ("reload", "") => InstallationStep::Reload,
        ("pause", victim) => InstallationStep::Pause(parse_victim(victim)?),
        ("continue", victim) => InstallationStep::Continue(parse_victim(victim)?),
        ("wait", seconds) => InstallationStep::Wait(Duration::from_secs(
            seconds.parse().map_err(|_| "wait SECONDS is meant")?,
        )),
        ("kill", victim) => InstallationStep::Kill(parse_victim(victim)?),
        ("accounts", change) => parse_accounts_step(change)?,
        _ => return Err("no such step".to_owned()),
    })
}

fn parse_victim(written: &str) -> Result<Victim, String> {
    if let Some(client) = written.strip_prefix("worker of ") {
        return Ok(Victim::WorkerOf(parse_client_name(client)?));
    }
    Ok(match written {
        "state" => Victim::State,
        "supervisor" => Victim::Supervisor,
        "master" => Victim::Master,
        "workers" => Victim::Workers,
        _ => return Err("state, supervisor, master, workers or worker of X".to_owned()),
    })
}

fn parse_accounts_step(written: &str) -> Result<InstallationStep, String> {
    let (word, rest) = written.split_once(' ').unwrap_or((written, ""));
    Ok(match word {
        "append" => InstallationStep::AppendToAccounts(unescape(rest)?),
        "remove" => InstallationStep::RemoveFromAccounts(rest.to_owned()),
        "have" => InstallationStep::AccountsHave(Pattern::parse(rest)),
        _ => return Err("accounts append, remove or have".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(written: &str) -> Step {
        let mut dialogue = Dialogue::parse("x", written).unwrap();
        assert_eq!(dialogue.lines.len(), 1);
        dialogue.lines.remove(0).step
    }

    #[test]
    fn lines_are_taken_byte_for_byte() {
        for (written, bytes) in [("a> x", "x"), ("a>  x ", " x "), ("a>", ""), ("a> ", "")] {
            let expected = ClientStep::Send(bytes.as_bytes().to_vec());
            assert_eq!(step(written), Step::Client('a', expected), "{written:?}");
        }
        assert_eq!(
            step(r"b>> x\x00"),
            Step::Client('b', ClientStep::SendRaw(b"x\0".to_vec()))
        );
        assert_eq!(
            step("a<  two  spaces "),
            Step::Client('a', ClientStep::Expect(Pattern::parse(" two  spaces ")))
        );
    }

    #[test]
    fn acts_are_understood() {
        assert_eq!(
            step("a! open from 127.0.0.2"),
            Step::Client('a', ClientStep::Open(Open::From([127, 0, 0, 2].into())))
        );
        assert_eq!(
            step("c! open apart from a"),
            Step::Client('c', ClientStep::Open(Open::ApartFrom('a')))
        );
        assert_eq!(
            step("a~ nothing for 200 ms"),
            Step::Client('a', ClientStep::Silence(Duration::from_millis(200)))
        );
        assert_eq!(
            step("! kill worker of b"),
            Step::Installation(InstallationStep::Kill(Victim::WorkerOf('b')))
        );
        assert_eq!(
            step("! wait 5"),
            Step::Installation(InstallationStep::Wait(Duration::from_secs(5)))
        );
        assert_eq!(
            step(r"! accounts append a,b\n"),
            Step::Installation(InstallationStep::AppendToAccounts(b"a,b\n".to_vec()))
        );
    }

    #[test]
    fn settings_stand_before_first_step() {
        let text = "# about\n# TIME_OUT=30\n# as written only: waits\na! open\n# BLOCK_TIME=9\n";
        let dialogue = Dialogue::parse("x", text).unwrap();
        assert_eq!(
            dialogue.settings,
            [("TIME_OUT".to_owned(), "30".to_owned())]
        );
        assert!(dialogue.as_written_only);
        assert_eq!(dialogue.lines[0].number, 4);
    }

    #[test]
    fn bad_line_is_named() {
        for wrong in [
            "a! opne",
            "a",
            "A> x",
            "a= x",
            "! dance",
            "! wait",
            "! wait x",
            "! kill",
            "! kill b",
            "! kill worker of bb",
            "a~ nothing",
            r"a>> \q",
            "a! open from here",
            "! accounts eat",
            "a! open until x",
        ] {
            let error = Dialogue::parse("x.chat", &format!("a! open\n{wrong}\n")).unwrap_err();
            assert!(error.starts_with("x.chat:2: "), "{error}");
        }
        assert!(Dialogue::parse("x", "# nothing\n").is_err());
    }
}
