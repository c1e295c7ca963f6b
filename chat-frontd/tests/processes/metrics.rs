//! `chatctl metrics` of real daemons: what a machine is shown, and over HTTP.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use chat_node::metrics::catalogue::{ALL, Kind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::installation::{CHATCTL, FRONTD, Installation, PATIENCE, bin_dir};

/// The endpoint, killed when dropped.
struct Endpoint {
    process: Child,
    address: SocketAddr,
}

impl Endpoint {
    fn start(installation: &Installation) -> Self {
        let mut command = Command::new(bin_dir().join(CHATCTL));
        command.arg("--run-dir").arg(&installation.run_dir);
        command.args(["metrics", "--listen", "127.0.0.1:0"]);
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(process.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("chatctl: metrics are at http://")
            .and_then(|rest| rest.strip_suffix("/metrics"))
            .unwrap_or_else(|| panic!("{line:?}"));
        let address = address.parse().unwrap();
        Self { process, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The value of the line that begins with this.
fn value_of(metrics: &str, line: &str) -> u64 {
    let value = metrics
        .lines()
        .find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("{line} is not in\n{metrics}"));
    value.parse().unwrap()
}

/// The sum of all values with this name and this text in their labels.
fn sum_of(metrics: &str, name: &str, labels: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    let values = lines.filter(|line| line.contains(labels));
    values
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
        .sum()
}

#[test]
fn metrics_count_what_clients_do() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut ann = TcpStream::connect(installation.address()).unwrap();
    ann.set_read_timeout(Some(PATIENCE)).unwrap();
    ann.write_all(b"ann\npassword\nsend bob one\nsend bob two\nsend nobody x\nnonsense\n")
        .unwrap();
    let mut said = BufReader::new(ann);
    let mut line = String::new();
    while line != "error:command:nonsense\n" {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it has closed");
    }

    let said = installation.program(CHATCTL, &["metrics"]);
    said.expect_status(0);
    let metrics = &said.out;
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let commands = |labels: &str| sum_of(metrics, "chatserv_commands_total", labels);
    assert_eq!(commands("command=\"log-in\",answer=\"logged-in\""), 1);
    assert_eq!(commands("command=\"send\",answer=\"stored\""), 2);
    assert_eq!(commands("command=\"send\",answer=\"stored-for-some\""), 1);
    assert_eq!(commands("command=\"refused\",answer=\"refused\""), 1);
    assert_eq!(value_of(metrics, "chatserv_messages_stored_total"), 2);
    assert_eq!(value_of(metrics, "chatserv_messages_waiting"), 2);
    assert_eq!(value_of(metrics, "chatserv_sessions"), 1);
    assert_eq!(value_of(metrics, "chatserv_queues{fill=\"normal\"}"), 1);
    assert!(value_of(metrics, "chatserv_commit_duration_seconds_count") > 0);
    assert!(value_of(metrics, "chatserv_disk_free_bytes") > 0);
    let clients = sum_of(metrics, "chatserv_connections{", "transport=\"plain\"");
    assert_eq!(clients, 1, "{metrics}");
    let up = "chatserv_up{daemon=\"chat-frontd\"}";
    assert_eq!(value_of(metrics, up), 1);

    let shown: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    for metric in ALL {
        let name = match metric.kind {
            Kind::Counter => metric.name.strip_suffix("_total").unwrap(),
            _ => metric.name,
        };
        let is_rare = RARE.contains(&metric.name);
        assert!(is_rare || shown.contains(name), "{name}\n{metrics}");
    }
}

/// Metrics without a value in a server without TLS that has refused nothing.
const RARE: [&str; 2] = [
    "chatserv_certificate_end_timestamp_seconds",
    "chatserv_refusals_total",
];

#[test]
fn endpoint_answers_scrapes_until_terminated() {
    let installation = Installation::started();
    let mut endpoint = Endpoint::start(&installation);
    let said =
        endpoint.ask("GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n");
    let (head, metrics) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("application/openmetrics-text; version=1.0.0"));
    assert_eq!(value_of(metrics, "chatserv_health{health=\"healthy\"}"), 1);
    let said = endpoint.ask("GET /metrics HTTP/1.1\r\n\r\n");
    assert!(!said.contains("# EOF"), "{said}");
    assert!(said.contains("# TYPE chatserv_messages_stored_total counter\n"));
    let said = endpoint.ask("GET / HTTP/1.1\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 404 "), "{said}");

    // Clients that say nothing keep nobody out for long.
    let mut silent: Vec<TcpStream> = Vec::new();
    crate::installation::wait_until("the silent ones have their places", || {
        // One that finds no place is gone: an answer before may not have given its place up yet.
        silent.push(endpoint.connect());
        let said = endpoint.ask("GET /metrics HTTP/1.1\r\n\r\n");
        said.starts_with("HTTP/1.1 503 ")
    });
    drop(silent);
    crate::installation::wait_until("their places are free", || {
        let said = endpoint.ask("GET /metrics HTTP/1.1\r\n\r\n");
        said.starts_with("HTTP/1.1 200 ")
    });

    installation.program(FRONTD, &["--stop"]).expect_status(0);
    let said = endpoint.ask("GET /metrics HTTP/1.1\r\n\r\n");
    let up = "chatserv_up{daemon=\"chat-frontd\"}";
    assert_eq!(value_of(&said, up), 0);
    assert_eq!(value_of(&said, "chatserv_health{health=\"down\"}"), 1);

    let occupied = endpoint.address.to_string();
    installation
        .program(CHATCTL, &["metrics", "--listen", &occupied])
        .expect_status(1)
        .expect_err(&format!("cannot listen on {occupied} for scrapes: "));
    let pid = Pid::from_raw(endpoint.process.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(endpoint.process.wait().unwrap().code(), Some(0));
}
