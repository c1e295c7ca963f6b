//! Short versions of the long runs: memory and disk follow what is queued, and a server with full queues starts again.

use std::path::PathBuf;

use chat_bench::footprint::Role;
use chat_bench::{soak, startup};
use clap::Parser;

#[derive(Parser)]
struct Soak {
    #[command(flatten)]
    options: soak::Options,
}

#[derive(Parser)]
struct Startup {
    #[command(flatten)]
    options: startup::Options,
}

/// The flag that names the directory of the programs that were built with this test.
fn programs() -> String {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_chat-bench"));
    let dir = program.parent().expect("a program is in a directory");
    for program in ["chat-stated", "chat-frontd"] {
        assert!(
            dir.join(program).is_file(),
            "{program} is not in {}: run scripts/test, or first cargo build -p chat-stated -p chat-frontd",
            dir.display()
        );
    }
    format!("--programs={}", dir.display())
}

fn short_soak(push: &str) -> soak::report::Report {
    let programs = programs();
    let flags = ["soak", "--messages=20000", "--pairs=4", push, &programs];
    let report = soak::run(&Soak::parse_from(flags).options).expect("the soak goes to its end");
    assert!(report.is_success(), "{}", report.text());
    report
}

#[test]
fn soak_reads_everything_in_order() {
    let report = short_soak("--push=on");
    let growth = &report.outcome.growth;
    let last = growth.samples().last().expect("there are samples");
    assert_eq!(last.received, 20_000);
    for role in Role::ALL {
        assert!(last.footprint.resident(role) > 0, "{role:?}");
    }
    assert!(growth.most(|footprint| footprint.state_dir_bytes) > 0);
}

#[test]
fn soak_holds_for_confirming_readers() {
    short_soak("--push=ack");
}

#[test]
fn queued_messages_survive_start() {
    let programs = programs();
    let flags = ["startup", "--queued=20000", "--users=50", &programs];
    let report = startup::run(&Startup::parse_from(flags).options).expect("all is read");
    let outcome = &report.outcome;
    assert_eq!(outcome.first_messages, 400);
    assert!(outcome.state_ready <= outcome.front_ready);
    assert!(outcome.front_ready <= outcome.first_welcome);
    assert!(
        report
            .json()
            .starts_with(r#"{"bench":"startup","result":"pass","queued":20000,"#)
    );
}
