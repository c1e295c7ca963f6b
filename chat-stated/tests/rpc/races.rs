//! Two workers that want the same thing at once.

use super::daemon::{Daemon, PASSWORD};
use super::worker::{Worker, log_in, register};
use chat_model::Outcome;

const ROUNDS: usize = 20;

/// The two answers, sorted by whether they are `expected`.
fn sorted(answers: [Outcome<'static>; 2], expected: &Outcome<'_>) -> [Outcome<'static>; 2] {
    let [first, second] = answers;
    if first == *expected {
        [first, second]
    } else {
        [second, first]
    }
}

#[test]
fn one_of_two_workers_logs_in() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut workers = [Worker::attach(&daemon), Worker::attach(&daemon)];
    for _ in 0..ROUNDS {
        let mut clients = workers.each_mut().map(Worker::client);
        for (worker, client) in workers.iter_mut().zip(&mut clients) {
            worker.request([client.request(log_in("ann", PASSWORD))]);
        }
        let answers = workers.each_mut().map(|worker| worker.next_reply().answer);
        assert_eq!(
            sorted(answers, &Outcome::LoggedIn),
            [Outcome::LoggedIn, Outcome::AlreadyLoggedIn]
        );
        for (worker, client) in workers.iter_mut().zip(&clients) {
            worker.close(client);
        }
        workers[0].wait_for_answer("ann", &Outcome::PasswordNeeded);
    }
}

#[test]
fn one_of_two_clients_logs_in() {
    let daemon = Daemon::with_accounts(&["ann"]);
    let mut worker = Worker::attach(&daemon);
    for _ in 0..ROUNDS {
        let mut clients = [worker.client(), worker.client()];
        let requests = clients
            .each_mut()
            .map(|client| client.request(log_in("ann", PASSWORD)));
        worker.request(requests);
        let answers = [worker.next_reply().answer, worker.next_reply().answer];
        assert_eq!(
            sorted(answers, &Outcome::LoggedIn),
            [Outcome::LoggedIn, Outcome::AlreadyLoggedIn]
        );
        for client in &clients {
            worker.close(client);
        }
        worker.wait_for_answer("ann", &Outcome::PasswordNeeded);
    }
}

#[test]
fn one_name_is_registered_once_whoever_asks() {
    let daemon = Daemon::with_accounts(&[]);
    let mut workers = [Worker::attach(&daemon), Worker::attach(&daemon)];
    for round in 0..ROUNDS {
        let user = format!("user{round}");
        let passwords = [b"first", b"other"];
        let mut clients = workers.each_mut().map(Worker::client);
        for ((worker, client), password) in workers.iter_mut().zip(&mut clients).zip(passwords) {
            worker.request([client.request(register(&user, password))]);
        }
        let answers = workers.each_mut().map(|worker| worker.next_reply().answer);
        let winner = usize::from(answers[1] == Outcome::Registered);
        assert_eq!(
            sorted(answers, &Outcome::Registered),
            [Outcome::Registered, Outcome::NameUnavailable]
        );
        assert_eq!(daemon.account_lines(&user).len(), 1);
        let client = &mut clients[winner];
        let answer = workers[winner].answer(client, log_in(&user, passwords[winner]));
        assert_eq!(answer, Outcome::LoggedIn, "the secret is the winner's");
    }
}
