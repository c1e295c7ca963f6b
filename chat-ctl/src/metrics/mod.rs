//! `chatctl metrics`: what the server counts and measures, for machines. Both daemons are asked each time; one that is
//! down is a value, not an error.

mod endpoint;
mod files;
mod gather;
mod http;
mod processes;
mod reference;
mod text;

use std::net::SocketAddr;

use chat_node::logs::output;

use crate::daemons::Daemons;
use crate::exit_status::ExitStatus;
use gather::gather;

/// All metrics as OpenMetrics text, once.
pub(crate) fn print(daemons: &Daemons) -> (String, ExitStatus) {
    (text::open_metrics(gather(daemons)), ExitStatus::Done)
}

/// The table of all metrics, in Markdown.
pub(crate) fn reference() -> (String, ExitStatus) {
    (reference::table(), ExitStatus::Done)
}

/// Serves the metrics over HTTP until SIGTERM. Returns only if that cannot begin.
pub(crate) fn serve(daemons: &Daemons, address: SocketAddr) -> (String, ExitStatus) {
    let Err(error) = endpoint::serve(daemons, address);
    output::complain(format_args!("chatctl: {error}"));
    (String::new(), ExitStatus::NotDone)
}
