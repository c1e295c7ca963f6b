//! A server with one worker, and what is to be known of that.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chat_node::process::identity::ProcessIdentity;

use crate::connection::{Connection, Received};
use crate::installation::{FRONTD, Installation, STATED};
use crate::support::processes::wait_for;

pub(crate) const ACCOUNTS: &str = "foobar,53649f6e45138ef119c955d04bf042562f6e2946\n\
                        windows,3cbf2c628de96e8e46ab4e44d4ddf2c4d1eccddb\n";

/// An installation with one worker.
pub(crate) struct Server {
    installation: Installation,
    pub(crate) worker: ProcessIdentity,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_with_accounts(ACCOUNTS, flags)
    }

    pub(crate) fn start_with_accounts(accounts: &str, flags: &[&str]) -> Self {
        let installation = Installation::new().observable();
        fs::create_dir(&installation.run_dir).unwrap();
        fs::write(installation.file("user_pass.txt"), accounts).unwrap();
        installation.program(STATED, &["--detach"]).expect_status(0);
        let flags = [&["--detach", "--workers=1"], flags].concat();
        installation.program(FRONTD, &flags).expect_status(0);
        Self {
            worker: installation.children(FRONTD)[0],
            address: installation.address().parse().unwrap(),
            installation,
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address, None).unwrap()
    }

    pub(crate) fn log_in(&self, name: &str, password: &str) -> Connection {
        let mut client = self.connect();
        client
            .send(format!("{name}\n{password}\n").as_bytes())
            .unwrap();
        for line in ["password", "welcome"] {
            expect(&mut client, line);
        }
        client
    }

    /// The same, once the server has seen the end of the user's last connection.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn log_in_again(&self, name: &str, password: &str) -> Connection {
        let client = wait_for(&format!("{name} is offline"), || {
            let mut client = self.connect();
            client.send(format!("{name}\n").as_bytes()).ok()?;
            (client.receive() == Received::Line(b"password".to_vec())).then_some(client)
        });
        let mut client = client.unwrap();
        client.send(format!("{password}\n").as_bytes()).unwrap();
        expect(&mut client, "welcome");
        client
    }

    /// The process that holds the state.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn state(&self) -> ProcessIdentity {
        self.installation.children(STATED)[0]
    }

    /// All that a daemon has logged.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn log(&self, daemon: &str) -> String {
        self.installation.log(daemon)
    }

    /// Somebody new is answered.
    pub(crate) fn serves(&self) {
        let mut client = self.connect();
        client.send(b"nobody-yet\n").unwrap();
        expect(&mut client, "register");
    }

    /// Resident memory of the worker.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_of(self.worker)
    }

    /// Resident memory of a process.
    pub(crate) fn memory_of(&self, process: ProcessIdentity) -> u64 {
        let path = format!("/proc/{}/statm", process.pid);
        let pages = fs::read_to_string(path).unwrap();
        let resident: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        resident * 4096
    }

    #[track_caller]
    pub(crate) fn expect_rest(&self) {
        expect_rest_of(self.worker);
    }
}

fn processor_time(process: ProcessIdentity) -> Duration {
    const TICKS_A_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split(' ').collect();
    let ticks = fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND)
}

/// With nothing to do a process waits; one that spins takes all the time it is given.
#[track_caller]
pub(crate) fn expect_rest_of(process: ProcessIdentity) {
    // What was begun may still come to its end.
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let before = processor_time(process);
        std::thread::sleep(Duration::from_secs(1));
        let taken = processor_time(process) - before;
        if taken <= Duration::from_millis(50) {
            return;
        }
        assert!(Instant::now() < end, "{process:?} takes {taken:?} a second");
    }
}

/// A message, whenever it was sent.
#[track_caller]
#[allow(dead_code, reason = "not every test program needs it")]
pub(crate) fn expect_message(client: &mut Connection, message: &str) {
    match client.receive() {
        Received::Line(line) if line.ends_with(format!("Z] {message}").as_bytes()) => {}
        other => panic!("{other} came, not {message}"),
    }
}

#[track_caller]
pub(crate) fn expect(client: &mut Connection, line: &str) {
    assert_eq!(client.receive(), Received::Line(line.into()));
}
