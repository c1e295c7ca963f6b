//! What `chatctl` changes in the state of a server that runs.

use nix::sys::signal::Signal;

use crate::control::{json, read_until};
use crate::installation::{Installation, STATED, kill, wait_until};

#[test]
fn lifted_block_outlives_state_process() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut stranger = installation.client(&["bob", "x", "x", "x"]);
    read_until(&mut stranger, "password");
    wait_until("bob is blocked", || {
        let blocks = installation.chatctl(&["blocks", "list"]);
        blocks.out.contains("bob")
    });
    installation.chatctl(&["blocks", "lift"]).expect_status(64);
    installation
        .chatctl(&["blocks", "lift", "nobody"])
        .expect_status(1)
        .expect_err("there is no account nobody");
    installation
        .chatctl(&["blocks", "lift", "bob", "--source", "192.0.2.1"])
        .expect_status(0)
        .expect_out("no such block holds\n");
    installation
        .chatctl(&["blocks", "lift", "bob"])
        .expect_status(0)
        .expect_out("1 block is lifted\n");
    let log = installation.log(STATED);
    assert!(
        log.contains("security: event=blocks-lift user=bob by uid="),
        "{log}"
    );
    let restarts = || installation.status(STATED).unwrap().children[0].restarts;
    kill(installation.children(STATED)[0], Signal::SIGKILL);
    wait_until("another state process serves", || restarts() == 1);
    let mut bob = installation.client(&["bob", "password"]);
    read_until(&mut bob, "welcome");
    let again = installation.chatctl(&["blocks", "lift", "--all", "--json"]);
    assert_eq!(json(&again)["blocks"], 0);
}
