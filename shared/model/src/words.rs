//! Words that have a meaning in a dialogue, each spelled once.
//!
//! The line protocol is written with them. They stand here because no new account may be named like one: a person who
//! reads the dialogue could not tell the two apart.

macro_rules! words {
    ($($(#[$attribute:meta])* $name:ident = $word:literal;)*) => {
        $($(#[$attribute])* pub const $name: &str = $word;)*

        /// Every word above.
        pub(crate) const RESERVED: &[&str] = &[$($word),*];
    };
}

words! {
    /// Ends what the server sends after a login or an answer.
    DONE = "DONE";
    /// The server waits for a user name.
    USERNAME = "username";
    /// The server waits for a password.
    PASSWORD = "password";
    /// No such account: answer `y` to make one.
    REGISTER = "register";
    /// The account was made.
    REGISTERED = "registered";
    /// The user is logged in already.
    CONNECTED = "connected";
    /// Followed by `:` and the seconds left of a block.
    BLOCKED = "blocked";
    /// The password was right.
    WELCOME = "welcome";
    /// Followed by `:` and the unknown recipients, if any.
    SENT = "sent";
    /// Command: a message to some accounts. Its answer names the unknown recipients after a `:`.
    SEND = "send";
    /// Answer to `fetch`.
    FETCHING = "fetching";
    /// Answer to `logout`.
    GOODBYE = "goodbye";
    /// The client was silent for too long.
    TIMEOUT = "timeout";
    /// The same session of the user has begun on another connection.
    REPLACED = "replaced";
    /// Starts every refusal: `error:KIND:COMMAND`.
    ERROR = "error";
    /// Kind of refusal: no such command.
    COMMAND = "command";
    /// Kind of refusal: wrong arguments.
    ARGS = "args";
    /// Kind of refusal: the line is too long.
    LENGTH = "length";
    /// Kind of refusal: a recipient's queue is full, or the sender's share of it.
    QUOTA = "quota";
    /// Kind of refusal: the disk is full.
    FULL = "full";
    /// Kind of refusal: not for this user, or not on this server.
    DENIED = "denied";
    /// Kind of refusal: too much is under way.
    BUSY = "busy";
    /// Answers the question whether to make an account.
    YES = "y";
    /// Command: who is online.
    WHO = "who";
    /// Command: who is online or was within some minutes.
    LAST = "last";
    /// Command: a message to every account.
    BROADCAST = "broadcast";
    /// Command: the waiting messages.
    FETCH = "fetch";
    /// Command: end the session.
    LOGOUT = "logout";
    /// Command, and with `:` and the mode its answer: messages as they come.
    PUSH = "push";
    /// Command, and with `:` and the mode its answer: message lines have numbers.
    IDS = "ids";
    /// Command: a message that is stored once, however often it is sent.
    ONCE = "once";
    /// Command, and with `:` its answer: what the server can do.
    FEATURES = "features";
    /// Command, and with `:` its answer: the sessions of the user.
    SESSIONS = "sessions";
    /// Argument of `sessions`: give one up.
    DROP = "drop";
    /// Command, and with `:` and the room its answer: become a member of a room.
    JOIN = "join";
    /// Command, and with `:` and the room its answer: be a member no longer.
    LEAVE = "leave";
    /// Command, and with `:` and the names its answer: what rooms there are.
    ROOMS = "rooms";
    /// Command, and with `:` and the names its answer: who is in a room.
    MEMBERS = "members";
    /// Command, and with `:` and the topic its answer: what a room is about.
    TOPIC = "topic";
    /// Command, and with `:` and the room its answer: what kind of room it is.
    ROOM = "room";
    /// Command, and with `:` its answer: let a user join.
    INVITE = "invite";
    /// Command, and with `:` its answer: end a membership.
    KICK = "kick";
    /// Command, and with `:` its answer: end a membership for good.
    BAN = "ban";
    /// Command, and with `:` its answer: end a ban.
    UNBAN = "unban";
    /// Command, and with `:` its answer: make a member an operator.
    OP = "op";
    /// Command, and with `:` its answer: the opposite.
    DEOP = "deop";
    /// Command: makes or drops a token. Its answer has a `:` and the secret, if there is a new one.
    TOKEN = "token";
    /// Command, and with `:` its answer: the names of the user's tokens.
    TOKENS = "tokens";
    /// Command, and with `:` and a count its answer: messages that are kept.
    HISTORY = "history";
    /// Command, and with `:` and a count its answer: messages that are kept and have some words.
    SEARCH = "search";
    /// Argument of `history`.
    BEFORE = "before";
    /// Argument of `history`.
    AFTER = "after";
    /// Command, and with `:` its answer: another password for the user.
    PASSWD = "passwd";
    /// Command, and with `:` and the mode its answer: message lines say whom a message went to.
    TO = "to";
    /// Argument of `push`, `ids` and `to`.
    ON = "on";
    /// Argument of `push`: as they come, and kept until the client speaks again.
    ACK = "ack";
    /// Argument of `push`, `ids` and `to`.
    OFF = "off";
}

/// Answer to a message that everybody got: [`SENT`] and a colon.
pub const SENT_TO_ALL: &str = "sent:";
/// Answer to a change of the password: the one of before was wrong.
pub const PASSWD_WRONG: &str = "passwd:wrong";
/// The same: the new ones differ, or are empty.
pub const PASSWD_DIFFER: &str = "passwd:differ";
/// Any answer but [`YES`] declines; clients send this one. A name may be like it.
pub const NO: &str = "n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::may_be_registered;

    #[test]
    fn no_account_is_named_like_a_word() {
        for word in RESERVED {
            assert!(!may_be_registered(word), "{word}");
            assert!(!may_be_registered(&word.to_uppercase()), "{word}");
        }
        assert!(may_be_registered(NO));
    }
}
