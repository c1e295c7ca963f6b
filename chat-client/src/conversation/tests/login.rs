//! Logging in, new accounts, and being refused.

use super::{ASKED, Play};
use crate::conversation::{Input, Prompt};

#[test]
fn interactive_login_repeats_bad_prompts() {
    Play::interactive()
        .is_asked(Some(Prompt::Name))
        .person_says("")
        .came_out(&["* The answer must not be empty."])
        .is_asked(Some(Prompt::Name))
        .person_says("bob")
        .is_asked(None)
        .server_says("password")
        .is_asked(Some(Prompt::Password))
        .person_says("")
        .came_out(&["-> bob", "* The answer must not be empty."])
        .person_says("wrong")
        .server_says("password")
        .is_asked(Some(Prompt::Password))
        .came_out(&["-> wrong", "* Wrong password."])
        .person_says("right")
        .server_says("welcome")
        .server_says("[2026-11-22T11:18:31Z] eve: hi")
        .is_asked(None)
        .server_says("DONE")
        .is_asked(ASKED)
        .came_out(&[
            "-> right",
            "* Welcome, bob. `help` shows the commands.",
            "* [2026-11-22T11:18:31Z] eve: hi",
        ]);
}

#[test]
fn new_account_is_offered_and_created() {
    let mut play = Play::interactive();
    play.person_says("new")
        .server_says("register")
        .is_asked(Some(Prompt::MakeAccount))
        .person_says("what?")
        .is_asked(Some(Prompt::MakeAccount))
        .person_says("Y")
        .server_says("password")
        .is_asked(Some(Prompt::NewPassword))
        .person_says("one")
        .is_asked(Some(Prompt::RepeatPassword))
        .person_says("two")
        .is_asked(Some(Prompt::NewPassword))
        .came_out(&["-> new", "-> y", "* The two passwords differ. Try again."])
        .person_says("one")
        .person_says("one")
        .server_says("registered")
        .is_asked(None)
        .server_says("password")
        .is_asked(None)
        .server_says("welcome")
        .came_out(&[
            "-> one",
            "-> one",
            "* The account new has been created.",
            "-> new",
            "-> one",
            "* Welcome, new. `help` shows the commands.",
        ]);
}

#[test]
fn new_account_may_be_declined_or_taken() {
    let mut play = Play::interactive();
    play.person_says("new")
        .server_says("register")
        .person_says("");
    play.server_says("username")
        .is_asked(Some(Prompt::Name))
        .came_out(&["-> new", "-> n"]);
    play.person_says("new")
        .server_says("register")
        .person_says("y");
    play.server_says("username")
        .is_asked(Some(Prompt::Name))
        .came_out(&[
            "-> new",
            "-> y",
            "* Somebody else has just registered the name new. Choose another name.",
        ]);
}

#[test]
fn new_password_goes_nowhere_else() {
    let mut play = Play::interactive();
    play.person_says("new")
        .server_says("register")
        .person_says("y")
        .server_says("password");
    play.person_says("pw")
        .person_says("pw")
        .server_says("registered");
    play.server_says("connected").is_asked(Some(Prompt::Name));
    play.person_says("other")
        .server_says("password")
        .is_asked(Some(Prompt::Password));
}

#[test]
fn script_registers_as_with_nc() {
    let mut play = Play::script();
    play.person_says("new")
        .server_says("register")
        .person_says("y")
        .server_says("password");
    play.person_says("pw")
        .person_says("pw")
        .server_says("registered");
    play.is_asked(Some(Prompt::Name)).came_out(&[
        "-> new",
        "-> y",
        "-> pw",
        "-> pw",
        "* The account new has been created.",
    ]);
    play.handle(Input::Leave).came_out(&["= 0"]);
}

#[test]
fn refused_login_ends_a_script() {
    type Dialogue = fn(&mut Play);
    let refusals: [(&str, Dialogue); 7] = [
        ("no account", |play| {
            play.person_says("bob")
                .server_says("register")
                .person_says("pw");
        }),
        ("no account possible", |play| {
            play.person_says("b b").server_says("username");
        }),
        ("logged in elsewhere", |play| {
            play.person_says("bob").server_says("connected");
        }),
        ("wrong password", |play| {
            play.person_says("bob")
                .server_says("password")
                .person_says("x")
                .server_says("password");
        }),
        ("empty name", |play| {
            play.person_says("");
        }),
        ("busy", |play| {
            play.person_says("bob")
                .server_says("password")
                .person_says("x")
                .server_says("error:busy:");
        }),
        ("end of the input", |play| {
            play.person_says("bob")
                .server_says("password")
                .handle(Input::Leave);
        }),
    ];
    for (what, dialogue) in refusals {
        let mut play = Play::script();
        dialogue(&mut play);
        assert_eq!(play.log.last().map(String::as_str), Some("= 5"), "{what}");
        assert!(!play.log.iter().any(|line| line == "-> pw"), "{what}");
    }
}

#[test]
fn blocks_tell_how_long_they_last() {
    Play::script()
        .person_says("bob")
        .server_says("blocked:43")
        .came_out(&[
            "-> bob",
            "* You are blocked from this address for another 43 seconds because of wrong passwords.",
            "= 4",
        ]);
    Play::interactive()
        .person_says("bob")
        .server_says("password")
        .person_says("pw")
        .server_says("1")
        .came_out(&[
            "-> bob",
            "-> pw",
            "* Too many wrong passwords. You are blocked from this address for 1 second.",
            "= 4",
        ]);
}

#[test]
fn busy_login_can_be_repeated() {
    let mut play = Play::interactive();
    play.person_says("bob")
        .server_says("error:busy:")
        .is_asked(Some(Prompt::Name));
    play.person_says("bob")
        .server_says("password")
        .person_says("pw");
    play.server_says("error:busy:")
        .is_asked(Some(Prompt::Password));
}

#[test]
fn session_may_be_replaced_before_its_welcome() {
    let mut play = Play::interactive().logging_in();
    play.log.clear();
    play.server_says("replaced").is_asked(None).came_out(&[
        "* Another client has logged in to this session. The server closed the connection.",
        "= 1",
    ]);
}
