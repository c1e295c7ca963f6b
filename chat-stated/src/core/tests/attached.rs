//! A worker that is attached, with a client that is logged in.

use super::*;

/// A worker with one client that is logged in, by the account `ann`.
pub(super) struct Attached {
    pub(super) core: Core,
    pub(super) connection: ConnectionId,
    pub(super) position: u64,
    pub(super) checkpoint: MemoryCheckpoint,
}

impl Attached {
    pub(super) fn new() -> Self {
        Self::of(core_of(State::default()))
    }

    pub(super) fn of(mut core: Core) -> Self {
        read_file(&mut core, "ann,0000000000000000000000000000000000000000\n");
        core.link_opened(0, 1);
        core.hello(0, &Hello { resume: None }.encode().unwrap(), [7; 16]);
        settle(&mut core);
        let worker_session = core.state.worker_sessions().next().unwrap().0;
        let connection = ConnectionId {
            worker_session,
            serial: ConnectionSerial(1),
        };
        let (account, _) = core.state.account("ann").unwrap();
        let mut attached = Self {
            core,
            connection,
            position: 10,
            checkpoint: MemoryCheckpoint::default(),
        };
        attached.core.batches.push(Entry::Request {
            name: RequestName {
                connection,
                offset: StreamOffset(1),
            },
            answered: StreamOffset(0),
            progress: Default::default(),
            action: Attempt::LogIn {
                account,
                session: UserSession::Plain,
                address: [127, 0, 0, 1].into(),
                password_version: 0,
                new_secret: None,
                asked_boot_ms: None,
            },
        });
        settle(&mut attached.core);
        attached
    }

    /// The daemon died and is started again from what is durable; the worker attaches again.
    pub(super) fn resumed(self) -> Self {
        self.resumed_with(&[(1, 1)])
    }

    /// The same with these connections, and how far each was answered.
    pub(super) fn resumed_with(self, connections: &[(u64, u64)]) -> Self {
        let mut state = self.core.state;
        let mut checkpoint = self.checkpoint;
        checkpoint
            .write(&StateSnapshot::take_whole(&mut state))
            .unwrap();
        let mut core = core_of(Restoration::of_all(checkpoint.records()).unwrap());
        read_file(&mut core, "ann,0000000000000000000000000000000000000000\n");
        settle(&mut core);
        core.link_opened(0, 1);
        let resume = Some(ResumeToken {
            worker_session: self.connection.worker_session,
            secret: [7; 16],
        });
        core.hello(0, &Hello { resume }.encode().unwrap(), [8; 16]);
        let mut resumed = Self {
            core,
            connection: self.connection,
            position: self.position,
            checkpoint: MemoryCheckpoint::default(),
        };
        let connections = connections
            .iter()
            .map(|(serial, answered)| ResumedConnection {
                connection: ConnectionSerial(*serial),
                answered: StreamOffset(*answered),
                progress: Default::default(),
                taken: Default::default(),
                push: false,
                names_groups: false,
            });
        let connections = connections.collect();
        resumed.say(&FromWorker::Resume { connections });
        resumed
    }

    pub(super) fn say(&mut self, item: &FromWorker<'_>) {
        let mut writer = FrameWriter::default();
        writer.push(item).unwrap();
        let frame = writer.pending().to_vec();
        self.core.received(0, &frame[4..]);
    }

    pub(super) fn ask(&mut self, offset: u64, request: Request<'_>) {
        let item = RequestItem {
            connection: ConnectionSerial(1),
            offset: StreamOffset(offset),
            answered: StreamOffset(1),
            progress: Default::default(),
            request,
        };
        self.say(&FromWorker::Request(item));
    }

    /// Has so many messages of ten bytes sent to the only account, by itself.
    pub(super) fn fill_queue(&mut self, messages: u64) {
        for number in 0..messages {
            let name = RequestName {
                connection: self.connection,
                offset: StreamOffset(100 + number),
            };
            self.core.batches.push(Entry::Request {
                name,
                answered: StreamOffset(99 + number),
                progress: Progress::default(),
                action: Attempt::Send {
                    audience: Audience::Accounts(NameList::one("ann")),
                    text: "ten bytes!".to_owned(),
                },
            });
        }
    }

    pub(super) fn submitted(&mut self) -> Option<Batch> {
        let mut submitted = None;
        for action in self.core.end_turn() {
            match action {
                Action::Submit(batch) => submitted = Some(batch),
                Action::Checkpoint { records, .. } => self.checkpoint.write(&records).unwrap(),
                _ => {}
            }
        }
        submitted
    }

    pub(super) fn commit(&mut self, batch: Batch) {
        self.position += 1;
        self.core.committed(LogIndex(self.position), batch, 0);
    }

    /// A client's line that was read and found to be worth an entry.
    pub(super) fn push_request(&mut self, serial: u64, offset: u64, action: Attempt) {
        let connection = ConnectionId {
            serial: ConnectionSerial(serial),
            ..self.connection
        };
        self.core.batches.push(Entry::Request {
            name: RequestName {
                connection,
                offset: StreamOffset(offset),
            },
            answered: StreamOffset(0),
            progress: Progress::default(),
            action,
        });
    }

    /// Which lines were answered since this was last called, and whether for want of room.
    pub(super) fn answered(&mut self) -> Vec<(u64, bool)> {
        let mut answered = Vec::new();
        for payload in take_frames(self.core.output(0).unwrap()) {
            for item in decode_items::<ToWorker<'_>>(&payload) {
                if let Ok(ToWorker::Reply {
                    offset, outcome, ..
                }) = item
                {
                    answered.push((offset.0, outcome == Outcome::DiskFull));
                }
            }
        }
        answered
    }
}

/// All frames that wait to be written, which count as written by this.
pub(super) fn take_frames(output: &mut FrameWriter) -> Vec<Vec<u8>> {
    let bytes = output.pending().to_vec();
    output.advance(bytes.len());
    let mut reader = FrameReader::default();
    reader.extend(&bytes);
    std::iter::from_fn(|| Some(reader.next_frame().unwrap()?.to_vec())).collect()
}
