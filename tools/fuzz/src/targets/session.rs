//! Clients of a worker whose daemon keeps to the RPC, dies, and comes back. Whatever they send and whenever: what they
//! get is lines without control characters, no more answers than questions, each message once and in order, and nobody
//! is left waiting.

use chat_model::text::is_clean;

use super::answers::Daemon;
use super::observed_client::{Client, Worker};
use crate::choices::Choices;

/// Turns within which everything is answered once everybody reads.
const SETTLE_TURNS: usize = 20_000;

/// What happens, one after the other.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut worker = Worker::new();
    let mut daemon = Daemon::default();
    let mut is_there = attach(&mut worker);
    worker.connect();
    while !choices.is_over() {
        match choices.below(12) {
            0 => worker.connect(),
            1..=3 => worker.say(&mut choices),
            4 => worker.read(&mut choices),
            5 => worker.acknowledge(&mut choices),
            6 if choices.below(3) == 0 => worker.end(&mut choices),
            7 => worker.now_ms += u64::from(choices.byte()) * 10,
            8 if choices.below(4) == 0 => match is_there {
                true => {
                    daemon.die();
                    worker.core.daemon_lost();
                    is_there = false;
                }
                false => is_there = attach(&mut worker),
            },
            9 => daemon.write_to_somebody(&mut choices),
            _ => daemon.answer(&mut choices),
        }
        exchange(&mut worker, &mut daemon, is_there, choices.flip());
    }
    if !is_there {
        attach(&mut worker);
    }
    settle(&mut worker, &mut daemon);
    for client in &worker.clients {
        check_received(client);
    }
}

fn attach(worker: &mut Worker) -> bool {
    match worker.core.daemon_connected() {
        Ok(()) => true,
        Err(error) => panic!("a worker cannot say hello: {error}"),
    }
}

fn exchange(worker: &mut Worker, daemon: &mut Daemon, is_there: bool, is_heard: bool) {
    if is_there {
        if is_heard {
            let said = daemon.said.pending().to_vec();
            daemon.said.advance(said.len());
            if let Err(error) = worker.core.daemon_received(&said) {
                panic!("the worker does not understand its daemon: {error:#}");
            }
        }
        worker.turn();
        daemon.hear(worker.core.link_output());
    } else {
        worker.turn();
    }
}

/// Everything is there and answers.
fn settle(worker: &mut Worker, daemon: &mut Daemon) {
    let mut quiet_turns = 0;
    for _ in 0..SETTLE_TURNS {
        worker.everybody_reads();
        worker.now_ms += 1;
        daemon.answer(&mut Choices::new(&[]));
        exchange(worker, daemon, true, true);
        quiet_turns = match daemon.pending() == 0 && daemon.said.pending().is_empty() {
            true => quiet_turns + 1,
            false => 0,
        };
        if quiet_turns > 3 && worker.stuck().is_empty() {
            return;
        }
    }
    panic!(
        "somebody waits for ever ({} questions are open): {:?}",
        daemon.pending(),
        worker.stuck()
    );
}

fn check_received(client: &Client) {
    // The last line may have been cut off with the connection.
    let whole = client.received.iter().rposition(|byte| *byte == b'\n');
    let whole = &client.received[..whole.map_or(0, |at| at + 1)];
    let Ok(text) = std::str::from_utf8(whole) else {
        panic!("what was received is not UTF-8: {}", whole.escape_ascii());
    };
    let (mut answers, mut last_message) = (0, 0);
    for line in text.lines() {
        assert!(is_clean(line), "{line:?}");
        let message = line.strip_prefix("[2026-11-22T11:18:31Z] ");
        match message.and_then(|message| message.rsplit_once("bob: m")) {
            Some((_, number)) => {
                let number: u64 = number.parse().unwrap_or(0);
                assert!(number > last_message, "out of order, or twice: {line}");
                last_message = number;
            }
            None => answers += 1,
        }
    }
    // A line has one answer and maybe a DONE; one that has begun may be too long; at the end may stand a goodbye.
    let telnet_lines = client.sent.windows(2).filter(|two| two == b"\r\0").count();
    let lines = client.sent.iter().filter(|byte| **byte == b'\n').count() + telnet_lines + 1;
    assert!(
        answers <= 2 * lines + 1,
        "{answers} answers to {lines} lines"
    );
}
