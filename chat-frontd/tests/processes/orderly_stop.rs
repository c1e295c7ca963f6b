//! What an orderly stop means for messages on their way.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::installation::{Installation, PATIENCE, wait_until};

struct Client(BufReader<TcpStream>);

impl Client {
    /// Logs in, says that, and hears those answers.
    fn new(installation: &Installation, name: &str, said: &str, answers: &[&str]) -> Self {
        let stream = TcpStream::connect(installation.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(BufReader::new(stream));
        let said = format!("{name}\npassword\n{said}");
        client.0.get_mut().write_all(said.as_bytes()).unwrap();
        for answer in ["password", "welcome"].iter().chain(answers) {
            assert_eq!(client.line(), *answer);
        }
        client
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    fn has_bytes(&self) -> bool {
        assert!(self.0.buffer().is_empty());
        self.0.get_ref().peek(&mut [0]).unwrap() > 0
    }
}

/// The second promise of the protocol: that the server ends is no word of the client's, which may hang, and die unread.
#[test]
fn stop_keeps_unconfirmed_messages() {
    let installation = Installation::of_ann_and_bob();
    for stop in ["stop", "restart"] {
        installation.script("start").expect_status(0);
        let reader = Client::new(
            &installation,
            "bob",
            "push ack\n",
            &["DONE", "push:ack", "DONE"],
        );
        let said = "send bob important\nlogout\n";
        Client::new(
            &installation,
            "ann",
            said,
            &["DONE", "sent:", "DONE", "goodbye"],
        );
        wait_until("it is there", || reader.has_bytes());
        installation.script(stop).expect_status(0);
        // With what was not read in its buffer, so that it is reset.
        drop(reader);
        installation.script("start").expect_status(0);
        let mut again = Client::new(&installation, "bob", "logout\n", &[]);
        let message = again.line();
        assert!(message.ends_with(" ann: important"), "{stop}: {message:?}");
        assert_eq!(again.line(), "DONE");
        assert_eq!(again.line(), "goodbye");
    }
}
