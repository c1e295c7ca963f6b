//! Settings that change while the worker runs.

use chat_node::limits::token_bucket::Rate;
use chat_settings::reload::settings_of_parent;

use super::EventLoop;
use crate::core::UnauthenticatedLimits;
use crate::settings::Settings;
use crate::worker::reading_pace::ReadingRate;

impl EventLoop {
    /// Takes over the settings that need no restart. Limits of one connection hold for those that come later.
    pub(super) fn take_settings(&mut self, written: &str) {
        let new: Settings = match settings_of_parent(written) {
            Ok(new) => new,
            Err(error) => {
                return log::error!("the master sends settings that cannot be used: {error}");
            }
        };
        log::set_max_level(new.process.log_level);
        self.admission
            .change_rate(new.connections_per_second, new.connection_burst);
        self.source_pace.change_rate(
            new.source_connections_per_second,
            new.source_connection_burst,
        );
        self.reading_rate = ReadingRate::new(
            new.lines_per_second,
            new.line_burst,
            self.core.max_line_bytes(),
        );
        self.handshakes
            .change_time_out(new.handshake_time_out * 1_000);
        self.proxied.change_time_out(new.proxy_time_out * 1_000);
        self.balancers = new.proxy_from;
        self.core.change_limits(
            new.time_out * 1_000,
            UnauthenticatedLimits {
                trusted: new.trusted.clone(),
                login_ms: new.login_time_out * 1_000,
                lines: Rate::new(new.lines_per_second, 1_000, new.line_burst),
            },
        );
        self.trusted = new.trusted;
    }
}
