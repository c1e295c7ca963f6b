//! bincode is positional: a variant or field more, or in another place, changes what all others mean. So the shape of
//! everything that travels is recorded with its version, and may only change together with it.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use chat_model::{Audience, HistorySpan, Outcome, Request, RoomAct, SentTo, Treatment};
use chat_rpc::{FromWorker, Greeting, Hello, Refusal, ToWorker, VERSION};
use serde::{Deserialize, Serialize};
use serde_reflection::{Registry, Samples, Tracer, TracerConfig};

/// Set to write down the shape of a new version.
const RECORD_VARIABLE: &str = "RECORD_RPC_SHAPE";
const COMMAND: &str = "RECORD_RPC_SHAPE=1 cargo test --workspace --locked --test shape, \
                       and commit shared/rpc/tests/shape.json";

/// The types of one version: names, variants and fields with their types, in their order.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Shape {
    version: u32,
    types: Registry,
}

impl Shape {
    fn of_this_program() -> Self {
        let mut tracer = Tracer::new(TracerConfig::default());
        let samples = Samples::new();
        tracer.trace_type::<Hello>(&samples).unwrap();
        tracer.trace_type::<Greeting>(&samples).unwrap();
        tracer.trace_type::<FromWorker<'_>>(&samples).unwrap();
        tracer.trace_type::<ToWorker<'_>>(&samples).unwrap();
        // All variants of an enum are found only if it is traced by itself.
        tracer.trace_type::<Refusal>(&samples).unwrap();
        tracer.trace_type::<Request<'_>>(&samples).unwrap();
        tracer.trace_type::<Outcome<'_>>(&samples).unwrap();
        tracer.trace_type::<Audience<'_>>(&samples).unwrap();
        tracer.trace_type::<RoomAct<'_>>(&samples).unwrap();
        tracer.trace_type::<Treatment>(&samples).unwrap();
        tracer.trace_type::<SentTo<'_>>(&samples).unwrap();
        tracer.trace_type::<HistorySpan>(&samples).unwrap();
        tracer.trace_type::<IpAddr>(&samples).unwrap();
        let types = tracer.registry();
        Self {
            version: VERSION,
            types: types.unwrap_or_else(|error| panic!("an enum is to be traced above: {error}")),
        }
    }

    /// What has to be done, if it differs from what is recorded.
    fn check(&self, recorded: &Self) -> Result<(), String> {
        if self.version != recorded.version {
            return Err(format!(
                "RPC version {} has no recorded shape, the record is of version {}. Write it down: {COMMAND}",
                self.version, recorded.version
            ));
        }
        let names = self.types.keys().chain(recorded.types.keys());
        let mut changed = names.filter(|name| self.types.get(*name) != recorded.types.get(*name));
        match changed.next() {
            None => Ok(()),
            Some(name) => Err(format!(
                "{name} is not what RPC version {VERSION} carries. Raise VERSION in shared/rpc/src/greeting.rs, then \
                 write down the new shape: {COMMAND}"
            )),
        }
    }
}

fn record() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shape.json")
}

fn recorded() -> Shape {
    serde_json::from_str(&fs::read_to_string(record()).unwrap()).unwrap()
}

#[test]
fn shape_changes_with_version_only() {
    let shape = Shape::of_this_program();
    let recorded = recorded();
    if env::var_os(RECORD_VARIABLE).is_some() && shape.version != recorded.version {
        let text = serde_json::to_string_pretty(&shape).unwrap();
        fs::write(record(), text + "\n").unwrap();
        return;
    }
    shape
        .check(&recorded)
        .unwrap_or_else(|todo| panic!("{todo}"));
}

#[test]
fn changed_types_ask_for_new_version() {
    let shape = Shape::of_this_program();
    for change in [
        |shape: &mut Shape| drop(shape.types.remove("Outcome").unwrap()),
        |shape: &mut Shape| {
            let hello = shape.types["Hello"].clone();
            shape.types.insert("Outcome".to_owned(), hello);
        },
    ] {
        let mut recorded = recorded();
        change(&mut recorded);
        let todo = shape.check(&recorded).unwrap_err();
        assert!(
            todo.starts_with("Outcome is not what RPC version"),
            "{todo}"
        );
    }
    let mut older = recorded();
    older.version -= 1;
    let todo = shape.check(&older).unwrap_err();
    assert!(todo.contains("has no recorded shape"), "{todo}");
}
