//! The program chat-frontd: a master, and its workers that serve the clients.
// See `chat_shared::output`.
#![warn(clippy::print_stderr)]

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chat_frontd::master::handouts::TlsHandouts;
use chat_frontd::master::listen::{listen_on_all, reachable};
use chat_frontd::master::listened::Listened;
use chat_frontd::master::probe::probe;
use chat_frontd::settings::Settings;
use chat_frontd::worker::{self, WorkerSetup};
use chat_shared::daemon::{self, ChildInheritance, Daemon, Listening};
use chat_shared::operator::{Health, report_sizes};
use chat_shared::process_options::ProcessOptions;
use chat_shared::sandbox::{ChildUser, Users};
use chat_shared::status_file::Status;

#[derive(clap::Parser)]
#[command(name = "chat-frontd", version)]
struct FrontEnd {
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    daemon::main::<FrontEnd>()
}

impl Daemon for FrontEnd {
    const NAME: &'static str = "chat-frontd";
    const CHILD_ROLE: &'static str = "worker";
    const CHILD_USER: ChildUser = ChildUser::Worker;
    /// The state daemon, which the workers wait for, is usually started before.
    const START_PATIENCE: Option<(Duration, &'static str)> = Some((
        Duration::from_secs(30),
        "the workers wait for the state daemon; is chat-stated running in the same run directory? \
         scripts/start starts both",
    ));

    fn process(&self) -> &ProcessOptions {
        &self.settings.process
    }

    fn child_count(&self) -> u32 {
        self.settings.workers
    }

    fn check_settings(&self) -> anyhow::Result<()> {
        self.settings.refuse_repeated_addresses()?;
        if let Some(files) = self.settings.identity_files()? {
            files.check()?;
        }
        Ok(())
    }

    fn listen(&self, _users: Option<Users>) -> anyhow::Result<Listening> {
        self.settings.refuse_repeated_addresses()?;
        let plain_addresses = self.settings.plain_addresses()?;
        let plain = listen_on_all(&plain_addresses, "--listen, CHAT_LISTEN", &[])?;
        let tls_addresses = &self.settings.listen_tls;
        let tls = listen_on_all(tls_addresses, "--listen-tls, CHAT_LISTEN_TLS", &plain)?;
        let first_tls_listener = u32::try_from(plain.len())?;
        let handouts = TlsHandouts::new(first_tls_listener, self.settings.identity_files()?)?;
        let mut listening = Listening {
            handouts: Some(Box::new(handouts)),
            ..Listening::default()
        };
        let plain = plain.into_iter().map(|listener| (listener, false));
        for (listener, is_tls) in plain.chain(tls.into_iter().map(|listener| (listener, true))) {
            let address = listener.local_addr().context("cannot tell the address")?;
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
        let limit = inheritance.descriptor_limit;
        let asked = self.settings.max_clients;
        let settings = self.settings.within_descriptor_limit(limit);
        if settings.max_clients < asked {
            let clients = settings.max_clients;
            log::warn!(
                "at most {clients} clients: the system allows {limit} descriptors a process"
            );
        }
        let sockets = inheritance.sockets.into_iter();
        let setup = WorkerSetup {
            listeners: sockets.map(TcpListener::from).collect(),
            parent: inheritance.parent,
            settings,
        };
        worker::run(setup, inheritance.sandbox)
    }

    fn look(&self, status: &Status, out: &mut impl Write) -> anyhow::Result<Health> {
        let mut health = Health::Whole;
        for address in &status.addresses {
            let listened: Listened = address
                .parse()
                .with_context(|| format!("the status file names {address}, which is no address"))?;
            match probe(reachable(listened.address), listened.is_tls) {
                Ok(seen) => {
                    let took = seen.took;
                    writeln!(
                        out,
                        "  listens on {listened}, a client was served in {took:.1?}"
                    )?;
                    for warning in seen.warnings.iter().chain(&listened.warning()) {
                        writeln!(out, "  warning: {warning}")?;
                    }
                }
                Err(error) => {
                    health = Health::Partial;
                    writeln!(
                        out,
                        "  listens on {listened}, but a client was not served: {error}"
                    )?;
                }
            }
        }
        let log = self.settings.process.run_dir_of(Self::NAME).log_file();
        report_sizes(&[&log], out)?;
        Ok(health)
    }
}
