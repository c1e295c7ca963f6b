//! A server that answers each line by a rule, says what a test tells it to, and goes away and comes back.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::PATIENCE;

/// What the server says to a line, in lines; nothing if it keeps silent.
type Rule = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

struct State {
    is_up: bool,
    is_over: bool,
    /// Messages are answered later.
    holds_answers: bool,
    held: Vec<String>,
    client: Option<TcpStream>,
    heard: Vec<String>,
}

struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    rule: Rule,
}

/// A server for one client at a time. Its answers hold all state that there is.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Host {
    /// A server that answers by this rule, and where it is silent, as every server does.
    pub(crate) fn start(rule: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = State {
            is_up: true,
            is_over: false,
            holds_answers: false,
            held: Vec::new(),
            client: None,
            heard: Vec::new(),
        };
        let shared = Arc::new(Shared {
            address,
            state: Mutex::new(state),
            changed: Condvar::new(),
            rule: Box::new(rule),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || of_thread.run(listener));
        Self { address, shared }
    }

    /// Says these lines.
    pub(crate) fn say(&self, lines: &str) {
        let state = self.shared.lock();
        let mut client = state.client.as_ref().expect("a client");
        client.write_all(lines.as_bytes()).expect("a client");
    }

    /// Answers no message from now on.
    pub(crate) fn hold_answers(&self) {
        self.shared.lock().holds_answers = true;
    }

    /// Answers the messages that were not answered, and those to come.
    pub(crate) fn give_answers(&self) {
        let held = {
            let mut state = self.shared.lock();
            state.holds_answers = false;
            std::mem::take(&mut state.held)
        };
        self.say(&held.concat());
    }

    /// Breaks the connection off, as the system does when a server is killed.
    pub(crate) fn cut(&self) {
        self.shared.lock().cut();
    }

    /// Goes away: connections are refused until `come_back`.
    pub(crate) fn go_away(&self) {
        {
            let mut state = self.shared.lock();
            state.is_up = false;
            state.cut();
        }
        // The thread may wait for a client.
        drop(TcpStream::connect(self.address));
    }

    pub(crate) fn come_back(&self) {
        self.shared.lock().is_up = true;
        self.shared.changed.notify_all();
    }

    /// Waits until the client has sent a line that begins so; gives all lines that do.
    pub(crate) fn heard(&self, beginning: &str) -> Vec<String> {
        let lines = |state: &State| -> Vec<String> {
            let lines = state.heard.iter();
            lines
                .filter(|line| line.starts_with(beginning))
                .cloned()
                .collect()
        };
        let state = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| lines(state).is_empty());
        let (state, _) = waited.expect("a server");
        lines(&state)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            (state.is_over, state.is_up) = (true, true);
            state.cut();
        }
        self.shared.changed.notify_all();
        drop(TcpStream::connect(self.address));
    }
}

impl State {
    fn cut(&mut self) {
        self.held.clear();
        self.holds_answers = false;
        if let Some(client) = self.client.take() {
            let reset = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
            reset.expect("an option");
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a server")
    }

    fn run(&self, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            if !self.lock().is_up {
                listener = None;
            }
            let state = self.lock();
            let state = self
                .changed
                .wait_while(state, |state| !state.is_up)
                .expect("a server");
            if state.is_over {
                return;
            }
            drop(state);
            let listening = listener.get_or_insert_with(|| {
                TcpListener::bind(self.address).expect("the same port again")
            });
            let (client, _) = listening.accept().expect("a client");
            {
                let mut state = self.lock();
                if state.is_over {
                    return;
                }
                if !state.is_up {
                    continue;
                }
                client.set_nodelay(true).expect("an option");
                state.client = Some(client.try_clone().expect("a descriptor"));
            }
            self.serve(client);
        }
    }

    fn serve(&self, client: TcpStream) {
        let mut mute = client.try_clone().expect("a descriptor");
        for line in BufReader::new(client).lines() {
            let Ok(line) = line else { return };
            let said = (self.rule)(&line).unwrap_or_else(|| usual_answer(&line));
            let mut state = self.lock();
            if line.starts_with("once ") && state.holds_answers {
                state.held.push(said);
            } else if mute.write_all(said.as_bytes()).is_err() {
                return;
            }
            let is_last = line == "logout";
            state.heard.push(line);
            self.changed.notify_all();
            if is_last {
                state.client = None;
                return;
            }
        }
    }
}

/// The answer of a server where `bob` has an account and is in the room `#tea`.
fn usual_answer(line: &str) -> String {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let answer = match word {
        "bob" => return "password\n".to_owned(),
        "hunter2" => "welcome",
        "features" => "features:time_out=600 line=8192 push ids once rooms history",
        "ids" => "ids:on",
        "push" => return format!("push:{rest}\nDONE\n"),
        "rooms" => "rooms:#tea",
        "who" => "ann bob",
        "members" => "members:~ann bob",
        "topic" => "topic:green only",
        "history" => return "history:0\nDONE\n".to_owned(),
        "fetch" => "fetching",
        "once" => "sent:",
        "logout" => return "goodbye\n".to_owned(),
        _ => panic!("nobody has told what to say to {line:?}"),
    };
    format!("{answer}\nDONE\n")
}
