//! Short versions of the measurements: each goes to its end, and finds all messages that were sent.

use std::path::PathBuf;

use chat_bench::speed::measurement::Measurement;
use chat_bench::speed::{accounts, fan_out, floors, idle, latency, logins, offline, relay, rooms};
use clap::{Args, Parser};

#[derive(Parser)]
struct Flags<T: Args> {
    #[command(flatten)]
    options: T,
}

fn parse<T: Args>(flags: &str) -> T {
    Flags::parse_from(["bench"].into_iter().chain(flags.split_whitespace())).options
}

/// Flags for one run with the programs that were built with this test. Others run at the same time, so nobody keeps to
/// a core.
fn of_server(flags: &str) -> String {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_chat-bench"));
    let dir = program.parent().expect("a program is in a directory");
    format!("--runs=1 --unpinned --programs={} {flags}", dir.display())
}

fn figure(measurements: &[Measurement], name: &str) -> f64 {
    let [measurement] = measurements else {
        panic!("{} measurements", measurements.len());
    };
    measurement.median(name).expect("the figure is there")
}

#[test]
fn relay_delivers_and_acknowledges_what_was_sent() {
    for window in [1, 64] {
        let flags = format!("--seconds=1 --warm-up-seconds=0 --pairs=5 --window={window}");
        let measured = relay::run(&parse(&of_server(&flags))).unwrap();
        assert!(figure(&measured, "msgs/s") > 0.0);
    }
}

#[test]
fn fan_out_reaches_everybody() {
    let flags = of_server("--seconds=1 --readers=20 --window=4 --to=everyone,group,room");
    let measured = fan_out::run(&parse(&flags)).unwrap();
    for name in [
        "deliveries/s",
        "group deliveries/s",
        "room deliveries/s",
        "room server CPU s/M",
    ] {
        assert!(figure(&measured, name) > 0.0, "{name}");
    }
}

#[test]
fn messages_to_rooms_reach_members_and_history() {
    let flags = of_server("--seconds=1 --rooms=5 --members=4 --senders=2 --rate=500");
    let measured = rooms::run(&parse(&flags)).unwrap();
    assert!(figure(&measured, "history bytes a message") > 0.0);
}

#[test]
fn offline_messages_are_drained() {
    let flags = of_server("--messages=2000 --users=50");
    let measured = offline::run(&parse(&flags)).unwrap();
    assert!(figure(&measured, "accepted/s") > 0.0 && figure(&measured, "drained/s") > 0.0);
}

#[test]
fn idle_clients_take_memory_and_logins_time() {
    let flags = of_server("--clients=200 --rooms=2 --room-members=50");
    let measured = idle::run(&parse(&flags)).unwrap();
    for name in ["KiB for all (PSS)", "KiB a member (PSS)"] {
        assert!(figure(&measured, name) > 0.0, "{name}");
    }
    let flags = of_server("--clients=50 --cold-clients=5 --tokens");
    let measured = logins::run(&parse(&flags)).unwrap();
    for name in [
        "warm logins/s",
        "warm token logins/s",
        "token logins/s after kill -9",
        "cold logins/s",
    ] {
        assert!(figure(&measured, name) > 0.0, "{name}");
    }
}

#[test]
fn latency_has_distribution_of_answers_and_deliveries() {
    let flags = of_server("--seconds=1 --pairs=5 --rate=200");
    let measured = latency::run(&parse(&flags)).unwrap();
    let [p50, p99] = ["answer p50 us", "answer p99 us"].map(|name| figure(&measured, name));
    assert!(0.0 < p50 && p50 <= p99);
    assert_eq!(measured[0].distributions.len(), 2);
}

#[test]
fn account_costs_are_measured() {
    let flags = of_server("--accounts=1000,2000 --state-in-memory");
    let measured = accounts::run(&parse(&flags)).unwrap();
    let counts = measured.iter().map(|of| of.parameters["accounts"]);
    assert_eq!(counts.collect::<Vec<_>>(), [1_000, 2_000]);
}

#[test]
fn option_out_of_range_is_refused() {
    let parse = Flags::<floors::Options>::try_parse_from(["bench", "--runs=0"]);
    assert!(parse.is_err());
}
