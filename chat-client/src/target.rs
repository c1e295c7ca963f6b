//! The server and the user that the command line, the settings file and the environment name together.
//!
//! What the command line says counts most, then what the settings file says of a named server, then the environment.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use rustls::ClientConfig;

use crate::arguments::Arguments;
use crate::connection::Connection;
use crate::kept_logins::KeptLogins;
use crate::named_servers;
use crate::password_source::PasswordSource;
use crate::state_directory;
use crate::tls;

/// Where to connect to, and as whom.
pub(crate) struct Target {
    host: String,
    port: u16,
    pub(crate) uses_tls: bool,
    ca: Option<PathBuf>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<PasswordSource>,
    connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
}

impl Target {
    /// Reads the settings file, if there is one.
    pub(crate) fn of(arguments: &Arguments, matches: &ArgMatches) -> Result<Self, String> {
        let Arguments {
            connecting, login, ..
        } = arguments;
        let is_flag = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        // Beside a server, the flag is an address of it. Alone, it is the server.
        let address = connecting.host.as_ref();
        let (server, address) = match address {
            Some(host) if !is_flag("host") => (host, None),
            address => (&arguments.host, address),
        };
        let found = named_servers::find(server, connecting.config.as_deref())?;
        let named = found.unwrap_or_default();
        let uses_tls = named.tls.filter(|_| !is_flag("tls"));
        let uses_tls = uses_tls.unwrap_or(connecting.tls);
        let ca = named.ca.filter(|_| !is_flag("ca"));
        let ca = ca.or_else(|| connecting.ca.clone());
        if ca.is_some() && !uses_tls {
            return Err("--ca requires --tls".to_owned());
        }
        let flag_file = login.password_file.as_deref();
        let by_flags = PasswordSource::of(
            login.password_fd,
            login.password_command.as_deref(),
            flag_file.filter(|_| is_flag("password_file")),
        );
        let by_name = PasswordSource::of(
            None,
            named.password_command.as_deref(),
            named.password_file.as_deref(),
        );
        let user = named.user.filter(|_| !is_flag("user"));
        Ok(Self {
            host: address
                .cloned()
                .or(named.host)
                .unwrap_or_else(|| server.clone()),
            port: connecting
                .port
                .or(named.port.filter(|_| !is_flag("port")))
                .unwrap_or(arguments.port),
            uses_tls,
            ca,
            user: user.or_else(|| login.user.clone()),
            password: by_flags
                .or(by_name)
                .or(PasswordSource::of(None, None, flag_file)),
            connect_timeout: connecting.connect_timeout(),
            answer_timeout: connecting.answer_timeout(),
        })
    }

    /// What TLS needs, if it is used.
    pub(crate) fn tls_config(&self) -> Result<Option<ClientConfig>, String> {
        let config = self.uses_tls.then(|| tls::config(self.ca.as_deref()));
        config.transpose()
    }

    /// Connects, each address for this long at most.
    pub(crate) fn connect(
        &self,
        tls: Option<ClientConfig>,
        limit: Option<Duration>,
    ) -> Result<Connection, String> {
        let timeout = limit.map_or(self.connect_timeout, |limit| {
            limit.min(self.connect_timeout)
        });
        let connection = Connection::open(&self.host, self.port, timeout)?;
        match tls {
            Some(config) => connection.with_tls(&self.host, config, timeout),
            None => Ok(connection),
        }
    }

    /// How people call the server.
    pub(crate) fn name(&self) -> String {
        format!("{} port {}", self.host, self.port)
    }

    /// The logins that are kept for this server.
    pub(crate) fn kept_logins(&self) -> KeptLogins {
        KeptLogins::at(&self.host, self.port, self.uses_tls)
    }

    /// Where state of this kind is kept for this server.
    pub(crate) fn state_directory(&self, kind: &str) -> Option<PathBuf> {
        state_directory::of_server(kind, &self.host, self.port, self.uses_tls)
    }
}
