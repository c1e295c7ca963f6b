//! Lists of names: in pieces, once for all who ask, and none for a worker that reads nothing.

use chat_rpc::UsersRequest;

use super::*;

/// A worker with so many clients that are logged in, by accounts whose names are long.
struct Crowd {
    core: Core,
    names: Vec<String>,
    now_ms: u64,
}

impl Crowd {
    fn new(users: usize) -> Self {
        let mut core = core_of(State::default());
        let names: Vec<String> = (0..users)
            .map(|number| format!("user-with-a-long-name-{number:010}"))
            .collect();
        let secret = "0".repeat(40);
        let lines: String = names
            .iter()
            .map(|name| format!("{name},{secret}\n"))
            .collect();
        read_file(&mut core, &lines);
        core.link_opened(0, 1);
        core.hello(0, &Hello { resume: None }.encode().unwrap(), [7; 16]);
        settle(&mut core);
        let worker_session = core.state.worker_sessions().next().unwrap().0;
        for (serial, name) in (1..).map(ConnectionSerial).zip(&names) {
            let (account, _) = core.state.account(name).unwrap();
            core.batches.push(Entry::Request {
                name: RequestName {
                    connection: ConnectionId {
                        worker_session,
                        serial,
                    },
                    offset: StreamOffset(1),
                },
                answered: StreamOffset(0),
                progress: Progress::default(),
                action: Attempt::LogIn {
                    account,
                    session: chat_model::UserSession::Plain,
                    address: [127, 0, 0, 1].into(),
                    password_version: 0,
                    new_secret: None,
                    asked_boot_ms: None,
                },
            });
        }
        let mut crowd = Self {
            core,
            names,
            now_ms: 0,
        };
        settle(&mut crowd.core);
        crowd.take();
        crowd
    }

    fn ask(&mut self, serial: u64, offset: u64, request: Request<'_>) {
        let mut writer = FrameWriter::default();
        let item = RequestItem {
            connection: ConnectionSerial(serial),
            offset: StreamOffset(offset),
            answered: StreamOffset(offset - 1),
            progress: Progress::default(),
            request,
        };
        writer.push(&FromWorker::Request(item)).unwrap();
        let frame = writer.pending().to_vec();
        self.core.received(0, &frame[4..]);
    }

    /// Ends a turn; a millisecond passes.
    fn turn(&mut self) {
        settle(&mut self.core);
        self.now_ms += 1;
        self.core.begin_turn(after_ms(self.now_ms));
    }

    fn pending_bytes(&mut self) -> usize {
        self.core.output(0).unwrap().pending_bytes()
    }

    /// Takes what the worker was sent: lists, and how many other answers.
    fn take(&mut self) -> (Vec<(Vec<UsersRequest>, String)>, usize) {
        let output = self.core.output(0).unwrap();
        let (mut lists, mut others) = (Vec::new(), 0);
        for payload in take_frames(output) {
            for item in decode_items::<ToWorker<'_>>(&payload).filter_map(Result::ok) {
                match item {
                    ToWorker::Users { requests, names } => {
                        let names: Vec<&str> = names.iter().collect();
                        lists.push((requests, names.join(" ")));
                    }
                    _ => others += 1,
                }
            }
        }
        (lists, others)
    }
}

#[test]
fn long_list_delays_nobody() {
    let mut crowd = Crowd::new(20_000);
    for serial in 1..=100 {
        crowd.ask(
            serial,
            10,
            Request::ListUsers {
                seen_within_minutes: Some(serial),
            },
        );
    }
    let mut turns = 0;
    let lists = loop {
        crowd.ask(200, 10 + turns, Request::Fetch);
        crowd.turn();
        turns += 1;
        let (lists, others) = crowd.take();
        assert_eq!(others, 1, "who does not ask for a list is answered at once");
        if !lists.is_empty() {
            break lists;
        }
        assert!(crowd.core.next_list_ms().is_some());
    };
    assert!(turns > 5, "{turns}");
    // Nobody has gone, so that all lists are one.
    let [(requests, names)] = lists.as_slice() else {
        panic!("{} lists", lists.len());
    };
    assert_eq!(requests.len(), 100);
    assert_eq!(*names, crowd.names.join(" "));
    for _ in 0..turns {
        crowd.turn();
    }
    assert!(crowd.core.is_idle());
    assert_eq!(crowd.core.next_list_ms(), None);
}

#[test]
fn blocked_worker_gets_no_lists() {
    const CLIENTS: u64 = 20;
    let mut crowd = Crowd::new(10_000);
    let list_bytes = crowd.names.join(" ").len();
    let mut asked = 0;
    while !crowd.core.is_behind(0) {
        asked += 1;
        crowd.ask(
            1 + asked % CLIENTS,
            10 + asked,
            Request::ListUsers {
                seen_within_minutes: Some(99),
            },
        );
        for _ in 0..40 {
            crowd.turn();
        }
    }
    let behind_bytes = crowd.pending_bytes();
    assert!(behind_bytes < (8 << 20) + 2 * list_bytes, "{behind_bytes}");
    for serial in 1..=CLIENTS {
        crowd.ask(
            serial,
            1_000,
            Request::ListUsers {
                seen_within_minutes: Some(serial),
            },
        );
    }
    for _ in 0..100 {
        crowd.turn();
    }
    assert_eq!(crowd.pending_bytes(), behind_bytes);
    assert_eq!(
        crowd.core.next_list_ms(),
        None,
        "nothing but the worker is waited for"
    );
    let (lists, _) = crowd.take();
    assert_eq!(lists.len() as u64, asked);
    for _ in 0..100 {
        crowd.turn();
    }
    let (lists, _) = crowd.take();
    let answered: usize = lists.iter().map(|(requests, _)| requests.len()).sum();
    assert_eq!(answered as u64, CLIENTS);
}

#[test]
fn closed_connection_gets_no_list() {
    let mut crowd = Crowd::new(20_000);
    crowd.ask(
        1,
        10,
        Request::ListUsers {
            seen_within_minutes: None,
        },
    );
    crowd.ask(
        2,
        10,
        Request::ListUsers {
            seen_within_minutes: None,
        },
    );
    crowd.turn();
    let mut writer = FrameWriter::default();
    writer
        .push(&FromWorker::ClientClosed {
            connection: ConnectionSerial(1),
            progress: Progress::default(),
        })
        .unwrap();
    let frame = writer.pending().to_vec();
    crowd.core.received(0, &frame[4..]);
    for _ in 0..100 {
        crowd.turn();
    }
    let (lists, _) = crowd.take();
    assert_eq!(lists.len(), 1);
    let serials: Vec<u64> = lists[0]
        .0
        .iter()
        .map(|request| request.connection.0)
        .collect();
    assert_eq!(serials, [2]);
}

#[test]
fn slow_worker_gets_no_pages_with_answers() {
    let mut worker = Attached::new();
    worker.answered();
    worker.fill_queue(100);
    settle(&mut worker.core);
    let filler = vec![0; 9 << 20];
    worker.core.output(0).unwrap().push_frame(&filler);
    assert!(worker.core.is_behind(0));
    let before = worker.core.output(0).unwrap().pending_bytes();
    worker.ask(1_000, Request::Fetch);
    worker.say(&FromWorker::Page {
        connection: ConnectionSerial(1),
        after: MessageNumber(0),
        through: MessageNumber(100),
    });
    let added = worker.core.output(0).unwrap().pending_bytes() - before;
    assert!(added < 100, "{added}");
}
