//! A TCP connection between a client and a worker, with what each kernel holds.

use chat_frontd::core::Observation;

use crate::pipe::Pipe;

#[derive(Debug)]
pub(crate) struct Tcp {
    /// Sent by the client, not yet at the worker's host.
    pub(crate) to_worker: Pipe,
    /// At the worker's host, not read.
    pub(crate) at_worker: Pipe,
    /// Sent by the worker, not yet at the client's host.
    pub(crate) to_client: Pipe,
    /// At the client's host, which acknowledged it; not read.
    pub(crate) at_client: Pipe,
    /// Acknowledgements on their way to the worker's host, in bytes.
    pub(crate) acknowledgements: u64,
    pub(crate) client_fin: Fin,
    pub(crate) worker_fin: Fin,
    /// Reset by the client's host, or by the end of the worker; each side sees it when it looks.
    pub(crate) is_reset: bool,
    pub(crate) is_let_go_by_client: bool,
    pub(crate) is_let_go_by_worker: bool,
    /// How much of the client's stream has come to the worker's host, and of the worker's to the client's.
    pub(crate) arrived_at_worker: u64,
    pub(crate) arrived_at_client: u64,
    /// Both, when the worker last saw that the client's host had acknowledged everything.
    pub(crate) seen_acknowledged: Option<SeenAcknowledged>,
}

/// How far both streams had come when the worker looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenAcknowledged {
    pub(crate) to_worker: u64,
    pub(crate) to_client: u64,
}

/// How far an end of stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fin {
    #[default]
    Open,
    Sent,
    Read,
}

/// What a kernel takes before the other side's has it.
const SEND_BUFFER_BYTES: usize = 2_000;

impl Tcp {
    pub(crate) fn new() -> Self {
        Self {
            to_worker: Pipe::default(),
            at_worker: Pipe::default(),
            to_client: Pipe::default(),
            at_client: Pipe::default(),
            acknowledgements: 0,
            client_fin: Fin::Open,
            worker_fin: Fin::Open,
            is_reset: false,
            is_let_go_by_client: false,
            is_let_go_by_worker: false,
            arrived_at_worker: 0,
            arrived_at_client: 0,
            seen_acknowledged: None,
        }
    }

    /// What the worker finds when it looks at its end.
    pub(crate) fn observe(&mut self) -> Observation {
        let unacknowledged_bytes = self.unacknowledged_bytes();
        if unacknowledged_bytes == 0 {
            self.seen_acknowledged = Some(SeenAcknowledged {
                to_worker: self.arrived_at_worker,
                to_client: self.arrived_at_client,
            });
        }
        Observation {
            unacknowledged_bytes,
            unread_bytes: self.at_worker.len() as u64,
            has_fin: self.has_client_fin_arrived(),
        }
    }

    /// Whether the worker's host has the client's FIN, read or not.
    pub(crate) fn has_client_fin_arrived(&self) -> bool {
        self.client_fin != Fin::Open && self.to_worker.len() == 0
    }

    /// Whether neither side has anything to do with it any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.is_let_go_by_client && self.is_let_go_by_worker
    }

    /// How many bytes the worker's kernel takes now.
    pub(crate) fn room_to_client(&self) -> usize {
        SEND_BUFFER_BYTES.saturating_sub(self.to_client.len())
    }

    /// What the worker's kernel holds as not acknowledged.
    fn unacknowledged_bytes(&self) -> u64 {
        self.to_client.len() as u64 + self.acknowledgements
    }
}
