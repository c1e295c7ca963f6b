//! A whole installation whose limits a test chooses, and clients that come from where it says.

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;

use chat_node::control::status_file::Status;

use crate::connection::{Connection, Received};
use crate::installation::{FRONTD, Installation, STATED, wait_until};

/// Passwords `passpass` and `withglass`.
pub(crate) const ACCOUNTS: &str = "foobar,53649f6e45138ef119c955d04bf042562f6e2946\n\
                                   windows,3cbf2c628de96e8e46ab4e44d4ddf2c4d1eccddb\n";

/// An address of this host that stands for a source.
pub(crate) fn source(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

pub(crate) struct Server {
    pub(crate) installation: Installation,
    address: SocketAddr,
}

impl Server {
    /// Nobody is trusted unless the settings say so.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(&[], settings)
    }

    pub(crate) fn start_listening(listen: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_listening_with(listen, &[], settings)
    }

    /// The state daemon gets these flags.
    pub(crate) fn start_with(flags: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::start_listening_with("127.0.0.1:0", flags, settings)
    }

    fn start_listening_with(listen: &str, flags: &[&str], settings: &[(&str, &str)]) -> Self {
        let installation = Installation::new();
        fs::create_dir(&installation.run_dir).unwrap();
        fs::write(installation.file("user_pass.txt"), ACCOUNTS).unwrap();
        for program in [STATED, FRONTD] {
            let binary = crate::installation::bin_dir().join(program);
            let mut command = installation.command(binary);
            command.arg("--detach").env("CHAT_LISTEN", listen);
            if program == STATED {
                command.args(flags);
            }
            command.env("CHAT_TRUSTED", "");
            command.envs(settings.iter().copied());
            command.stdin(Stdio::null());
            installation.run(command).expect_status(0);
        }
        let address = installation.address();
        let address = address.trim_end_matches(" tls").parse().unwrap();
        Self {
            installation,
            address,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self, source: IpAddr) -> Connection {
        Connection::open(self.address, Some(source)).unwrap()
    }

    /// Connected, and served: it is counted then.
    pub(crate) fn served(&self, source: IpAddr) -> Connection {
        let mut client = self.connect(source);
        says(&mut client, "nobody-yet", "register");
        says(&mut client, "n", "username");
        client
    }

    pub(crate) fn is_rejected(&self, source: IpAddr) {
        expect_rejected(self.connect(source));
    }

    pub(crate) fn log_in(&self, source: IpAddr, name: &str, password: &str) -> Connection {
        let mut client = self.connect(source);
        says(&mut client, name, "password");
        says(&mut client, password, "welcome");
        expect(&mut client, "DONE");
        client
    }

    fn refused(&self, daemon: &str, kind: &str) -> u64 {
        let status: Option<Status> = self.installation.status(daemon);
        let refused = status.map(|status| status.refused).unwrap_or_default();
        let of_kind = refused.iter().find(|(name, _)| *name == kind);
        of_kind.map_or(0, |(_, count)| count)
    }

    /// The status comes to say that so much was refused; not more.
    #[track_caller]
    pub(crate) fn expect_refused(&self, daemon: &str, kind: &str, count: u64) {
        wait_until(&format!("{kind} {count} in the status"), || {
            self.refused(daemon, kind) >= count
        });
        assert_eq!(self.refused(daemon, kind), count, "{kind}");
        let shown = self.installation.program(daemon, &["--status"]);
        shown.expect_out(&format!("{kind} {count}"));
    }

    /// The lines of the security log so far, as they are.
    pub(crate) fn security_lines(&self, daemon: &str) -> Vec<String> {
        let mut text = String::new();
        let path = self.installation.file(&format!("{daemon}.log"));
        fs::File::open(path)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let lines = text.lines().filter(|line| line.contains("security: "));
        lines.map(str::to_owned).collect()
    }

    /// The log has a line that ends so, but for the number of the connection.
    #[track_caller]
    pub(crate) fn expect_security_line(&self, daemon: &str, end: &str) {
        let is_there = |server: &Self| {
            let lines = server.security_lines(daemon);
            lines.iter().any(|line| {
                let line = line.split(" connection=").next();
                line.is_some_and(|line| line.ends_with(end))
            })
        };
        wait_until(&format!("{end} in the log"), || is_there(self));
    }
}

#[track_caller]
pub(crate) fn expect(client: &mut Connection, line: &str) {
    assert_eq!(client.receive(), Received::Line(line.into()));
}

/// Says a line, and gets one.
#[track_caller]
pub(crate) fn says(client: &mut Connection, line: &str, answer: &str) {
    client.send(format!("{line}\n").as_bytes()).unwrap();
    expect(client, answer);
}

#[track_caller]
pub(crate) fn expect_rejected(mut client: Connection) {
    expect(&mut client, "error:busy:");
    assert_eq!(client.receive(), Received::Closed(Vec::new()));
}
