//! Rooms, sessions and tokens as operators see them, and what they do to them, with a real server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::control::{json, read_until};
use crate::installation::{Installation, STATED};

type Client = BufReader<TcpStream>;

/// Sends lines, one after the other is answered, and returns what came before each `DONE`.
fn say(client: &mut Client, lines: &[&str]) -> Vec<String> {
    let mut said = Vec::new();
    for line in lines {
        writeln!(client.get_mut(), "{line}").unwrap();
        said.extend(until_done(client));
    }
    said
}

fn until_done(client: &mut Client) -> Vec<String> {
    let lines = client.lines().map(Result::unwrap);
    lines.take_while(|line| line != "DONE").collect()
}

fn logged_in(installation: &Installation, name: &str) -> Client {
    let mut client = installation.client(&[name, "password"]);
    read_until(&mut client, "DONE");
    client
}

#[test]
fn operators_see_and_drop_rooms() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut ann = logged_in(&installation, "ann");
    let mut bob = logged_in(&installation, "bob");
    say(&mut ann, &["join #tea", "topic #tea green", "join #den"]);
    say(&mut ann, &["room #den private", "op #tea bob"]);
    say(&mut bob, &["join #tea"]);
    say(&mut ann, &["send #tea hi", "send #tea again"]);

    let ctl = |arguments: &[&str]| installation.chatctl(arguments);
    let list = json(&ctl(&["rooms", "list", "--json"]));
    assert_eq!(list[0]["name"], "#tea");
    assert_eq!(list[0]["unread"], 2);
    assert_eq!(list[0]["unread_bytes"], 7);
    assert_eq!(list[1]["is_private"], true);
    ctl(&["rooms", "list"]).expect_out("green\n");
    let shown = ctl(&["rooms", "show", "tea"]);
    shown.expect_status(0).expect_out("\nann     owner");
    let shown = json(&ctl(&["rooms", "show", "#tea", "--json"]));
    assert_eq!(shown["member_list"][1]["name"], "bob");
    assert_eq!(shown["member_list"][1]["unread"], 2);
    let queues = json(&ctl(&["queues", "--json"]));
    assert_eq!(queues[0]["name"], "bob");
    assert_eq!(queues[0]["room_messages"], 2);
    ctl(&["accounts", "forget", "bob"]).expect_out("2 messages of rooms wait for bob");

    ctl(&["rooms", "retention", "tea", "7"])
        .expect_status(0)
        .expect_out("the history of #tea is kept for 7 days; its members are told\n");
    ctl(&["rooms", "retention", "tea", "7"]).expect_out("7 days already\n");
    ctl(&["rooms", "retention", "tea", "0"]).expect_status(64);
    ctl(&["rooms", "drop", "tea"])
        .expect_status(5)
        .expect_out("nothing is changed without --yes");
    ctl(&["rooms", "drop", "tea", "--yes"]).expect_status(0);
    for refused in [["rooms", "show", "tea"], ["rooms", "drop", "tea"]] {
        ctl(&refused)
            .expect_status(1)
            .expect_err("there is no room #tea");
    }
    let said = say(&mut ann, &["rooms", "send #tea gone"]);
    let told = said
        .iter()
        .filter(|line| line.contains("* #tea: an operator"));
    assert_eq!(told.count(), 2, "{said:?}");
    assert!(said.contains(&"rooms:#den".to_owned()), "{said:?}");
    assert_eq!(said.last().unwrap(), "send:#tea");
    let log = installation.log(STATED);
    for event in ["room-retention room=#tea days=7", "room-drop room=#tea"] {
        let line = format!("security: event={event} by uid=");
        assert!(log.contains(&line), "{log}");
    }
}

#[test]
fn dropped_token_is_no_password() {
    let installation = Installation::of_ann_and_bob();
    installation.script("start").expect_status(0);
    let mut ann = logged_in(&installation, "ann");
    let said = say(&mut ann, &["token new laptop"]);
    let secret = said[0].strip_prefix("token:").unwrap().to_owned();
    let mut laptop = installation.client(&["ann/laptop", &secret]);
    read_until(&mut laptop, "DONE");

    let ctl = |arguments: &[&str]| installation.chatctl(arguments);
    let shown = json(&ctl(&["accounts", "show", "ann", "--json"]));
    assert_eq!(shown["tokens"][0], "laptop");
    assert_eq!(shown["sessions"][1]["name"], "ann/laptop");
    assert_eq!(shown["sessions"][1]["is_online"], true);
    ctl(&["accounts", "show", "ann"]).expect_out("\nTOKEN\nlaptop\n");
    ctl(&["accounts", "drop-token", "ann", "laptop"])
        .expect_status(0)
        .expect_out("laptop is no token of ann any more");
    ctl(&["accounts", "drop-token", "ann", "laptop"])
        .expect_status(1)
        .expect_err("the account has no such token");
    ctl(&["kick", "ann/laptop"]).expect_status(0);
    let mut again = installation.client(&["ann/laptop", &secret]);
    read_until(&mut again, "password");
    read_until(&mut again, "password");
    let line = "security: event=token-drop user=ann token=laptop by uid=";
    let log = installation.log(STATED);
    assert!(log.contains(line), "{log}");
}
