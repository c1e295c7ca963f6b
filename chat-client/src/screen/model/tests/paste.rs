//! What is pasted is never run.

use super::Run;

fn paste(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

fn with_ann() -> Run {
    let mut run = Run::logged_in();
    run.press("/query ann\r");
    run.answer("history ann 50", "error:denied:history");
    run
}

#[test]
fn one_pasted_line_is_text() {
    let mut run = with_ann();
    run.press(&paste("a\tb\r"));
    assert_eq!(run.model.composer.text(), "a\tb");
    assert!(run.sent().is_empty());
    run.press("\r");
    assert_eq!(run.sent(), ["once abc-1 send ann a\tb"]);
}

#[test]
fn several_pasted_lines_ask_once() {
    let mut run = with_ann();
    run.press(&paste("first\r/quit\rbroadcast secret\r"));
    let question = run.model.paste.as_ref().expect("a question");
    assert_eq!(question.lines, 3);
    run.press("abc/quit\x1b1\t");
    assert!(run.model.composer.is_empty() && run.actions.is_empty());
    run.press("\r");
    assert!(run.sent().is_empty());
    assert_eq!(
        run.model.composer.text(),
        "first\u{2028}/quit\u{2028}broadcast secret"
    );
    run.press("\r");
    let line = "once abc-1 send ann first\u{2028}/quit\u{2028}broadcast secret";
    assert_eq!(run.sent(), [line]);
}

#[test]
fn paste_can_be_declined() {
    for key in ["\x1b", "n", "\x03"] {
        let mut run = with_ann();
        run.press("draft ");
        run.press(&paste("a\nb"));
        run.press(key);
        assert!(run.model.paste.is_none());
        assert_eq!(run.model.composer.text(), "draft ", "{key:?}");
    }
}

#[test]
fn pasted_command_is_not_run() {
    let mut run = with_ann();
    run.press(&paste("/quit"));
    assert!(run.actions.is_empty());
    assert_eq!(run.model.composer.text(), "/quit");
}

#[test]
fn tab_in_paste_completes_nothing() {
    let mut run = with_ann();
    run.press(&paste("vitamin a\t20 mg"));
    assert_eq!(run.model.composer.text(), "vitamin a\t20 mg");
}

#[test]
fn password_can_be_pasted() {
    let mut run = Run::start();
    run.press("bob\r");
    run.hear("password");
    run.press(&paste("secret\r"));
    assert_eq!(run.sent(), ["bob"]);
    run.press("\r");
    assert_eq!(run.sent(), ["secret"]);
}
