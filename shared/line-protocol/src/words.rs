//! The words of the line protocol, each spelled once.

/// Ends what the server sends after a login or an answer.
pub const DONE: &str = "DONE";
/// The server waits for a user name.
pub const USERNAME: &str = "username";
/// The server waits for a password.
pub const PASSWORD: &str = "password";
/// No such account: answer `y` to make one.
pub const REGISTER: &str = "register";
/// The account was made.
pub const REGISTERED: &str = "registered";
/// The user is logged in already.
pub const CONNECTED: &str = "connected";
/// Followed by `:` and the seconds left of a block.
pub const BLOCKED: &str = "blocked";
/// The password was right.
pub const WELCOME: &str = "welcome";
/// Followed by `:` and the unknown recipients, if any.
pub const SENT: &str = "sent";
/// Answer to a message that everybody got.
pub const SENT_TO_ALL: &str = "sent:";
/// Answer to `send` that names the unknown recipients, after a `:`.
pub const SEND: &str = "send";
/// Answer to `fetch`.
pub const FETCHING: &str = "fetching";
/// Answer to `logout`.
pub const GOODBYE: &str = "goodbye";
/// The client was silent for too long.
pub const TIMEOUT: &str = "timeout";
/// Starts every refusal: `error:KIND:COMMAND`.
pub const ERROR: &str = "error";
/// Kind of refusal: no such command.
pub const COMMAND: &str = "command";
/// Kind of refusal: wrong arguments.
pub const ARGS: &str = "args";
/// Kind of refusal: the line is too long.
pub const LENGTH: &str = "length";
/// Kind of refusal: a recipient's queue is full, or the sender's share of it.
pub const QUOTA: &str = "quota";
/// Kind of refusal: the disk is full.
pub const FULL: &str = "full";
/// Kind of refusal: too much is under way.
pub const BUSY: &str = "busy";

/// Answers the question whether to make an account.
pub const YES: &str = "y";
/// Any answer but [`YES`] declines; clients send this one.
pub const NO: &str = "n";
/// Command: who is online.
pub const WHO: &str = "who";
/// Command: who is online or was within some minutes.
pub const LAST: &str = "last";
/// Command: a message to every account.
pub const BROADCAST: &str = "broadcast";
/// Command: the waiting messages.
pub const FETCH: &str = "fetch";
/// Command: end the session.
pub const LOGOUT: &str = "logout";
/// Command, and with `:` and the mode its answer: messages as they come.
pub const PUSH: &str = "push";
/// Command, and with `:` and the mode its answer: message lines have numbers.
pub const IDS: &str = "ids";
/// Argument of `push` and `ids`.
pub const ON: &str = "on";
/// Argument of `push`: as they come, and kept until the client speaks again.
pub const ACK: &str = "ack";
/// Argument of `push` and `ids`.
pub const OFF: &str = "off";

#[cfg(test)]
mod tests {
    use chat_model::name::may_be_registered;

    use super::*;

    #[test]
    fn no_account_is_named_like_a_word() {
        for word in [
            DONE, USERNAME, PASSWORD, REGISTER, REGISTERED, CONNECTED, BLOCKED, WELCOME, SENT,
            SEND, FETCHING, GOODBYE, TIMEOUT, ERROR, COMMAND, ARGS, LENGTH, QUOTA, FULL, BUSY, YES,
            WHO, LAST, BROADCAST, FETCH, LOGOUT, PUSH, IDS, ON, ACK, OFF,
        ] {
            assert!(!may_be_registered(word), "{word}");
        }
    }
}
