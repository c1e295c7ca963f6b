//! Staying logged in by a token.

use std::time::Duration;

use super::{ASKED, Play};
use crate::conversation::{Input, Keeping, KeptLogin, Options, Prompt};

fn play(interactive: bool, keeping: Keeping) -> Play {
    let mut play = Play::with(Options {
        interactive,
        push: interactive,
        tls: false,
        answer_timeout: Duration::from_secs(100),
        user: Some("bob/phone".into()),
        password: None,
        keeping,
    });
    play.handle(Input::Start);
    play
}

fn keep(interactive: bool) -> Play {
    let mut play = play(
        interactive,
        Keeping::Keep {
            token_name: "laptop-1".into(),
        },
    );
    play.is_asked(None).server_says("password");
    play.came_out(&["-> bob/phone", "~ find bob"]);
    play
}

fn forget() -> Play {
    let mut play = play(false, Keeping::Forget);
    play.came_out(&["-> bob/-"]);
    play
}

fn found(play: &mut Play) -> &mut Play {
    let login = KeptLogin {
        token_name: "laptop-0".into(),
        secret: b"secret-0".as_slice().into(),
    };
    play.handle(Input::LoginFound(Ok(Some(login))))
}

#[test]
fn token_is_made_and_kept() {
    let mut play = keep(true);
    play.handle(Input::LoginFound(Ok(None)))
        .is_asked(Some(Prompt::Password))
        .person_says("pw")
        .server_says("welcome")
        .server_says("DONE")
        .is_asked(None)
        .server_says("token:secret-1")
        .came_out(&[
            "-> pw",
            "* Welcome, bob/phone. `help` shows the commands.",
            "-> token new laptop-1",
            "~ store bob laptop-1 secret-1",
        ]);
    play.handle(Input::LoginStored(Ok(())))
        .server_says("DONE")
        .is_asked(None)
        .server_says("push:ack")
        .server_says("DONE")
        .is_asked(ASKED)
        .came_out(&[
            "* This login is kept: the next one from here needs no password.",
            "-> push ack",
        ]);
}

#[test]
fn kept_token_replaces_the_password() {
    for interactive in [true, false] {
        let mut play = keep(interactive);
        found(&mut play)
            .is_asked(None)
            .server_says("welcome")
            .server_says("DONE");
        let log = std::mem::take(&mut play.log);
        assert_eq!(log[0], "-> secret-0");
        assert!(
            !log.iter().any(|line| line.contains("token new")),
            "{log:?}"
        );
    }
}

#[test]
fn refused_token_leads_to_password() {
    let refused = "* The server does not take the kept login of bob any more. It ends with a changed password.";
    let mut play = keep(true);
    found(&mut play)
        .server_says("password")
        .is_asked(Some(Prompt::Password))
        .came_out(&["-> secret-0", refused])
        .person_says("wrong")
        .server_says("password")
        .came_out(&["-> wrong", "* Wrong password."])
        .person_says("pw")
        .server_says("welcome")
        .server_says("DONE");
    assert_eq!(play.log.last().expect("a line"), "-> token new laptop-1");
    let mut play = keep(false);
    found(&mut play).server_says("password");
    assert_eq!(play.log[1], refused);
    assert_eq!(play.log.last().expect("an end"), "= 5");
}

#[test]
fn script_without_token_uses_given_password() {
    let mut play = Play::with(Options {
        interactive: false,
        push: false,
        tls: false,
        answer_timeout: Duration::from_secs(100),
        user: None,
        password: Some(b"pw".as_slice().into()),
        keeping: Keeping::Keep {
            token_name: "laptop-1".into(),
        },
    });
    play.handle(Input::Start)
        .person_says("bob")
        .server_says("password");
    found(&mut play)
        .server_says("password")
        .server_says("welcome");
    play.server_says("DONE").server_says("token:secret-1");
    play.handle(Input::LoginStored(Ok(()))).server_says("DONE");
    play.is_asked(ASKED);
    let sent = ["-> bob", "-> secret-0", "-> pw", "-> token new laptop-1"];
    let lines = play.log.iter().filter(|line| line.starts_with("->"));
    assert_eq!(lines.collect::<Vec<_>>(), sent);
    let mut play = keep(false);
    play.handle(Input::LoginFound(Ok(None)));
    assert_eq!(play.log.last().expect("an end"), "= 5");
    assert!(play.log[0].contains("there is no password"));
}

#[test]
fn token_that_cannot_be_kept_is_dropped() {
    let mut play = keep(false);
    play.conversation.options.password = Some(b"pw".as_slice().into());
    play.handle(Input::LoginFound(Ok(None)))
        .server_says("welcome")
        .server_says("DONE")
        .server_says("token:secret-1");
    play.log.clear();
    play.handle(Input::LoginStored(Err("no space".into())))
        .server_says("DONE")
        .is_asked(None)
        .server_says("token:")
        .server_says("DONE")
        .is_asked(ASKED)
        .came_out(&[
            "* The login is not kept: no space.",
            "-> token drop laptop-1",
        ]);
    play.handle(Input::Leave).server_says("goodbye");
    assert_eq!(play.log.last().expect("an end"), "= 6");
}

#[test]
fn server_that_makes_no_token_is_reported() {
    for (answer, reason) in [
        ("error:command:token", "the server has no tokens"),
        ("error:busy:token", "the server is busy. Try again soon"),
        ("token:", "the server answered something else"),
        ("secret", "the server answered something else"),
    ] {
        let mut play = keep(true);
        play.handle(Input::LoginFound(Ok(None)))
            .person_says("pw")
            .server_says("welcome")
            .server_says("DONE");
        play.log.clear();
        play.server_says(answer).server_says("DONE");
        let words = format!("* The login is not kept: {reason}.");
        play.came_out(&[&words, "-> push ack"]);
    }
}

#[test]
fn kept_login_is_forgotten() {
    for answer in ["token:", "error:args:token"] {
        let mut play = forget();
        play.server_says("password");
        found(&mut play)
            .server_says("welcome")
            .server_says("DONE")
            .server_says(answer)
            .came_out(&[
                "~ find bob",
                "-> secret-0",
                "-> token drop laptop-0",
                "~ remove bob",
            ]);
        play.handle(Input::LoginRemoved(Ok(())))
            .server_says("DONE")
            .server_says("goodbye")
            .came_out(&[
                "* The login of bob is not kept any more.",
                "-> logout",
                "* Goodbye.",
                "= 0",
            ]);
    }
}

#[test]
fn dead_token_is_forgotten_too() {
    let mut play = forget();
    play.server_says("password");
    found(&mut play).server_says("password");
    play.handle(Input::LoginRemoved(Ok(()))).came_out(&[
        "~ find bob",
        "-> secret-0",
        "~ remove bob",
        "* The login of bob is not kept any more.",
        "= 0",
    ]);
    let mut play = forget();
    play.server_says("register");
    play.handle(Input::LoginRemoved(Err("no right".into())))
        .came_out(&[
            "~ remove bob",
            "* The login is kept still: no right.",
            "= 6",
        ]);
}

#[test]
fn token_stays_if_server_refuses_drop() {
    let mut play = forget();
    play.server_says("password");
    found(&mut play).server_says("welcome").server_says("DONE");
    play.log.clear();
    play.server_says("error:busy:token")
        .server_says("DONE")
        .server_says("goodbye")
        .came_out(&[
            "* Not done: the server is busy. Try again soon.",
            "* The login is kept still: the server did not drop the token.",
            "-> logout",
            "* Goodbye.",
            "= 6",
        ]);
    let mut play = forget();
    play.server_says("blocked:7");
    assert_eq!(play.log.last().expect("an end"), "= 4");
}

#[test]
fn nothing_is_forgotten_without_kept_login() {
    let mut play = forget();
    play.server_says("password");
    play.handle(Input::LoginFound(Ok(None))).came_out(&[
        "~ find bob",
        "* No login of bob at this server is kept here.",
        "= 5",
    ]);
    let mut play = forget();
    play.server_says("password");
    play.handle(Input::LoginFound(Err("no right".into())));
    assert_eq!(play.log.last().expect("an end"), "= 1");
}
