//! The program chat-frontd: a master and its workers, which serve the clients.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chat_frontd::master::activation::ActivatedSockets;
use chat_frontd::master::listen::{check_bindable, listen_on_all, reachable};
use chat_frontd::master::listened::Listened;
use chat_frontd::master::probe::{ProbeError, probe};
use chat_frontd::master::tls_configuration::TlsConfigurationSource;
use chat_frontd::settings::{self, Settings};
use chat_frontd::worker::{self, WorkerSetup};
use chat_node::control::operator::{Health, report_sizes};
use chat_node::control::status_file::Status;
use chat_node::daemon::{self, ChildInheritance, Daemon, Listening};
use chat_node::process::pid_file;
use chat_node::sandbox::{ChildUser, Users};
use chat_node::settings::process_options::ProcessOptions;
use chat_node::supervisor::child_reports::ChildWarning;

/// Below this number of clients, a limit of the system causes a warning in the status.
const FEW_CLIENTS: usize = 1_000;

#[derive(clap::Parser)]
#[command(name = "chat-frontd", version = chat_node::VERSION)]
struct FrontEnd {
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    daemon::main::<FrontEnd>()
}

impl FrontEnd {
    /// The ports of the front end that runs in this run directory. They become free once it is stopped.
    fn ports_in_use(&self) -> Vec<u16> {
        let run_dir = self.settings.process.run_dir_of(Self::NAME);
        let is_running = pid_file::is_locked(&run_dir.pid_file()).unwrap_or(false);
        let status = Status::read(&run_dir.status_file()).filter(|_| is_running);
        let addresses = status.map_or(Vec::new(), |status| status.addresses);
        let listened = addresses
            .iter()
            .filter_map(|it| it.parse::<Listened>().ok());
        listened.map(|listened| listened.address.port()).collect()
    }
}

impl Daemon for FrontEnd {
    const NAME: &'static str = "chat-frontd";
    const CHILD_ROLE: &'static str = "worker";
    const CHILD_USER: ChildUser = ChildUser::Worker;
    const LEAST_MEMORY_BYTES: u64 = 32 * 1024 * 1024;
    const CAN_DRAIN: bool = true;
    // The workers wait for the state daemon, which usually starts first.
    const START_TIMEOUT: Option<(Duration, &'static str)> = Some((
        Duration::from_secs(30),
        "the workers wait for the state daemon; is chat-stated running in the same run directory? \
         scripts/start starts both",
    ));

    fn programs() -> Vec<clap::Command> {
        chat_settings::programs()
    }

    fn is_reloaded(id: &str) -> bool {
        chat_settings::reload::is_reloaded(id)
    }

    fn process(&self) -> &ProcessOptions {
        &self.settings.process
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let settings = &mut self.settings;
        let tls = settings.tls_cert.iter_mut().chain(&mut settings.tls_key);
        tls.chain(settings.process.paths()).collect()
    }

    fn child_count(&self) -> u32 {
        self.settings.workers
    }

    fn check_settings(&self) -> anyhow::Result<()> {
        settings::refuse_repeated_addresses(&self.settings)?;
        let plain_addresses = settings::plain_addresses(&self.settings)?;
        if let Some(files) = settings::identity_files(&self.settings)? {
            files.check()?;
        }
        let own_ports = self.ports_in_use();
        check_bindable(&plain_addresses, &own_ports, "--listen, CHAT_LISTEN")?;
        let tls_addresses = &self.settings.listen_tls;
        check_bindable(tls_addresses, &own_ports, "--listen-tls, CHAT_LISTEN_TLS")
    }

    fn listen(&self, _users: Option<Users>) -> anyhow::Result<Listening> {
        settings::refuse_repeated_addresses(&self.settings)?;
        let plain_addresses = settings::plain_addresses(&self.settings)?;
        let mut activated = ActivatedSockets::take()?;
        let mut listen_on = |addresses: &[_], setting, own: &[_]| {
            listen_on_all(addresses, setting, own, &mut activated)
        };
        let plain = listen_on(&plain_addresses, "--listen, CHAT_LISTEN", &[])?;
        let tls_setting = "--listen-tls, CHAT_LISTEN_TLS";
        let tls = listen_on(&self.settings.listen_tls, tls_setting, &plain)?;
        activated.expect_none_left()?;
        let first_tls_listener = u32::try_from(plain.len())?;
        let tls_configuration = TlsConfigurationSource::new(
            first_tls_listener,
            settings::identity_files(&self.settings)?,
        )?;
        let mut listening = Listening {
            child_configuration: Some(Box::new(tls_configuration)),
            ..Listening::default()
        };
        let plain = plain.into_iter().map(|listener| (listener, false));
        for (listener, is_tls) in plain.chain(tls.into_iter().map(|listener| (listener, true))) {
            let address = listener.local_addr().context("cannot get the address")?;
            let address = Listened { address, is_tls };
            if let Some(warning) = address.warning() {
                log::warn!("{warning}");
            }
            listening.addresses.push(address.to_string());
            listening.sockets.push(OwnedFd::from(listener));
        }
        Ok(listening)
    }

    fn run_child(self, inheritance: ChildInheritance) -> anyhow::Result<()> {
        let limit = inheritance.limits.descriptors;
        let asked = self.settings.max_clients;
        let settings = settings::within_descriptor_limit(self.settings, limit);
        let clients = settings.max_clients;
        let mut warning = ChildWarning::of(inheritance.limits.warning());
        if clients < asked {
            let words = format!(
                "at most {clients} clients per worker: the system allows a process {limit} descriptors (ulimit -n, \
                 LimitNOFILE=)"
            );
            log::warn!("{words}");
            if clients < FEW_CLIENTS {
                warning = warning.and(ChildWarning::of(words));
            }
        }
        let sockets = inheritance.sockets.into_iter();
        let setup = WorkerSetup {
            listeners: sockets.map(TcpListener::from).collect(),
            parent: inheritance.parent,
            settings,
            warning,
        };
        worker::run(setup, inheritance.sandbox)
    }

    fn inspect(&self, status: &Status, out: &mut impl Write) -> anyhow::Result<Health> {
        let mut listened = Vec::new();
        for address in &status.addresses {
            let parsed: Listened = address
                .parse()
                .with_context(|| format!("the status file names {address}, which is no address"))?;
            listened.push(parsed);
        }
        let health = inspect_all(&listened, out)?;
        let log = self.settings.process.run_dir_of(Self::NAME).log_file();
        report_sizes(&[&log], out)?;
        Ok(health)
    }
}

/// Probes each address. An address that cannot be reached from this host is only a warning, as long as another one
/// serves.
fn inspect_all(listened: &[Listened], out: &mut impl Write) -> anyhow::Result<Health> {
    let (mut is_served, mut has_failed) = (false, false);
    for listened in listened {
        let (address, is_tls) = (reachable(listened.address), listened.is_tls);
        match probe(address, is_tls) {
            Ok(seen) => {
                is_served = true;
                let took = seen.took;
                writeln!(
                    out,
                    "  listens on {listened}, a client was served in {took:.1?}"
                )?;
                for warning in seen.warnings.iter().chain(&listened.warning()) {
                    writeln!(out, "  warning: {warning}")?;
                }
            }
            Err(ProbeError::Unreachable(error)) => writeln!(
                out,
                "  warning: listens on {listened}, but {address} cannot be reached from here: {error}"
            )?,
            Err(ProbeError::NotServed(error)) => {
                has_failed = true;
                writeln!(
                    out,
                    "  listens on {listened}, but a client was not served: {error}"
                )?;
            }
        }
    }
    Ok(match is_served && !has_failed {
        true => Health::Healthy,
        false => Health::Degraded,
    })
}
