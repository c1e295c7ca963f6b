//! A run that is short and always the same, for the tests.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;

use crate::corpus;
use crate::mutation::mutate;
use crate::{TARGETS, Target};

/// The kept inputs of a target, and mutations of them from a fixed seed. Panics with the input that shows a finding.
pub fn run(name: &str) {
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        panic!("there is no fuzz target {name}");
    };
    let inputs = match corpus::inputs(name) {
        Ok(inputs) => inputs,
        Err(error) => panic!("the corpus of {name} cannot be read: {error}"),
    };
    assert!(!inputs.is_empty(), "the corpus of {name} is empty");
    for (file, input) in &inputs {
        try_input(target, input, &format!("corpus/{name}/{file}"));
    }
    let kept: Vec<Vec<u8>> = inputs.into_iter().map(|(_, input)| input).collect();
    let mut rng = Rng::with_seed(4119);
    for number in 0..target.mutations {
        let input = mutate(&mut rng, &kept, target.words, target.max_bytes);
        try_input(target, &input, &format!("mutation {number}"));
    }
}

fn try_input(target: &Target, input: &[u8], what: &str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if outcome.is_err() {
        panic!(
            "{what} of fuzz target {} is a finding (the panic is above). As a file of its corpus it is shown again:\n\
             printf '{}' >tools/fuzz/corpus/{}/found",
            target.name,
            input.escape_ascii(),
            target.name
        );
    }
}
