//! What the daemons report to a service manager such as systemd, whose socket the tests hold.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::{Pid, geteuid};

use crate::installation::{FRONTD, Installation, PATIENCE, STATED};

/// A service manager, and a daemon that it has started in the foreground.
struct Service<'a> {
    installation: &'a Installation,
    name: &'static str,
    socket: UnixDatagram,
    daemon: Child,
}

impl<'a> Service<'a> {
    /// Starts a daemon. `more` are additional variables.
    fn start(installation: &'a Installation, name: &'static str, more: &[(&str, &str)]) -> Self {
        let path = installation.file(&format!("{name}.notify"));
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = installation.command(crate::installation::bin_dir().join(name));
        command.env("NOTIFY_SOCKET", &path).stdin(Stdio::null());
        command.stderr(fs::File::create(installation.file(&format!("{name}.log"))).unwrap());
        let daemon = command.envs(more.iter().copied()).spawn().unwrap();
        Self {
            installation,
            name,
            socket,
            daemon,
        }
    }

    /// The next report. Each is one datagram.
    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes);
        let length = length.unwrap_or_else(|_| panic!("no report of {}", self.name));
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[track_caller]
    fn expect(&self, report: &str) {
        assert_eq!(self.next(), format!("{report}\n"));
    }

    #[track_caller]
    fn expect_ready(&self) {
        self.expect("READY=1");
        let words = self.next();
        assert!(words.starts_with("STATUS=serving on "), "{words}");
    }

    #[track_caller]
    fn expect_reload(&self) {
        let words = self.next();
        let time = words.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let time = time.unwrap_or_else(|| panic!("{words}")).trim_end();
        assert!(time.parse::<u64>().unwrap() > 0);
        self.expect("READY=1");
    }

    #[track_caller]
    fn stop(mut self) {
        kill(
            Pid::from_raw(self.daemon.id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
        self.expect("STOPPING=1");
        let words = self.next();
        assert!(words.starts_with("STATUS=stopping"), "{words}");
        assert!(self.daemon.wait().unwrap().success());
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        // The installation stops the daemon by its pid file. Here the process is only waited for.
        if self.daemon.try_wait().is_ok_and(|status| status.is_none()) {
            self.installation.program(self.name, &["--stop"]);
            let _ = self.daemon.wait();
        }
    }
}

#[test]
fn service_manager_learns_each_phase() {
    let installation = Installation::of_ann_and_bob().observable();
    let state = Service::start(&installation, STATED, &[]);
    state.expect_ready();
    let front = Service::start(&installation, FRONTD, &[]);
    front.expect_ready();
    assert_eq!(installation.ask(), "register\n");
    for service in [&state, &front] {
        for _ in 0..2 {
            let said = installation.program(service.name, &["--reload"]);
            said.expect_status(0);
            service.expect_reload();
        }
    }
    for child in [STATED, FRONTD].map(|daemon| installation.children(daemon)[0]) {
        if geteuid().is_root() {
            let variables = fs::read(format!("/proc/{}/environ", child.pid)).unwrap();
            let variables = String::from_utf8_lossy(&variables);
            assert!(!variables.contains("NOTIFY_SOCKET"), "{variables}");
        }
    }
    front.stop();
    state.stop();
}

#[test]
fn service_manager_learns_of_failed_reload() {
    let installation = Installation::of_ann_and_bob();
    let state = Service::start(&installation, STATED, &[]);
    state.expect_ready();
    fs::write(installation.file("user_pass.txt"), "").unwrap();
    let said = installation.program(STATED, &["--reload"]);
    said.expect_status(1);
    let reloading = state.next();
    assert!(reloading.starts_with("RELOADING=1\n"), "{reloading}");
    state.expect("READY=1");
    let words = state.next();
    assert!(words.starts_with("STATUS=serving on "), "{words}");
    assert!(words.contains("; warning: "), "{words}");
    state.stop();
}

#[test]
fn watchdog_hears_living_parent() {
    let installation = Installation::new();
    fs::create_dir(&installation.run_dir).unwrap();
    let state = Service::start(&installation, STATED, &[("WATCHDOG_USEC", "200000")]);
    let signs_of_life = |count: usize| {
        let reports = std::iter::from_fn(|| Some(state.next()));
        reports
            .filter(|it| it == "WATCHDOG=1\n")
            .take(count)
            .count()
    };
    assert_eq!(signs_of_life(5), 5);
    // A stopped parent is one that hangs.
    let parent = Pid::from_raw(state.daemon.id().cast_signed());
    kill(parent, Signal::SIGSTOP).unwrap();
    let quiet = Duration::from_millis(500);
    state.socket.set_read_timeout(Some(quiet)).unwrap();
    let mut bytes = [0; 4096];
    while state.socket.recv(&mut bytes).is_ok() {}
    kill(parent, Signal::SIGCONT).unwrap();
    state.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(signs_of_life(1), 1);
}
