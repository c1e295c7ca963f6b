//! Tokens, which stand for passwords.

use chat_model::{Outcome, UserSession};
use chat_stated::entry::{AccountChange, Action, Entry, OperatorAct, TokenDigest};

use super::world::{SENT, World};

const DIGEST: TokenDigest = TokenDigest([7; 32]);
/// What a token takes.
const TOKEN_BYTES: u64 = 128;

impl World {
    fn new_token(&mut self, name: &str, digest: TokenDigest) -> Outcome<'static> {
        let name = name.to_owned();
        self.request(0, Action::NewToken { name, digest })
    }

    fn drop_token(&mut self, name: &str) -> Outcome<'static> {
        let name = name.to_owned();
        self.request(0, Action::DropToken { name })
    }

    fn tokens(&self) -> Vec<String> {
        let names = self.state.token_names(self.id("ann"));
        names.iter().map(str::to_owned).collect()
    }

    fn has_token(&self) -> bool {
        self.state.has_token(self.id("ann"), &DIGEST)
    }

    fn operate(&mut self, act: OperatorAct) {
        self.apply(Entry::Operate { ticket: 1, act });
    }
}

#[test]
fn tokens_outlive_restart() {
    let mut world = World::with_online(&["ann", "bob"]);
    assert_eq!(world.new_token("b", DIGEST), SENT);
    assert_eq!(world.new_token("a", TokenDigest([8; 32])), SENT);
    assert_eq!(world.new_token("a", DIGEST), Outcome::NameUnavailable);
    for _ in 0..2 {
        assert_eq!(world.tokens(), ["a", "b"]);
        assert!(world.has_token());
        assert!(!world.state.has_token(world.id("bob"), &DIGEST));
        assert_eq!(world.state.waiting_bytes(), 2 * TOKEN_BYTES);
        world.restart();
    }
    assert_eq!(world.drop_token("b"), SENT);
    assert_eq!(world.drop_token("b"), Outcome::NameUnavailable);
    world.restart();
    assert!(!world.has_token());
    assert_eq!(world.drop_token("a"), SENT);
    world.restart();
    assert_eq!(world.tokens(), [""; 0]);
    assert_eq!(world.state.waiting_bytes(), 0);
}

#[test]
fn account_has_at_most_16_tokens() {
    let mut world = World::with_online(&["ann"]);
    for number in 0..16 {
        assert_eq!(world.new_token(&number.to_string(), DIGEST), SENT);
    }
    assert_eq!(world.new_token("more", DIGEST), Outcome::QueueFull);
    assert_eq!(world.drop_token("7"), SENT);
    assert_eq!(world.new_token("more", DIGEST), SENT);
    world.limit_waiting(0, 100);
    assert_eq!(world.drop_token("more"), SENT);
    assert_eq!(world.new_token("more", DIGEST), Outcome::DiskFull);
}

#[test]
fn changed_password_ends_tokens() {
    for act in [
        |world: &World| OperatorAct::SetPassword {
            account: world.id("ann"),
            secret: "new".into(),
        },
        |_: &World| {
            let (name, secret) = ("ann".into(), "new".into());
            OperatorAct::TakeAccountFile(vec![AccountChange::Set { name, secret }])
        },
    ] {
        let mut world = World::with_online(&["ann"]);
        world.new_token("a", DIGEST);
        world.checkpoint();
        world.operate(act(&world));
        assert!(!world.has_token());
        world.restart();
        assert_eq!(world.tokens(), [""; 0]);
    }
}

#[test]
fn disabled_account_has_no_tokens() {
    for act in [
        |world: &World| OperatorAct::DisableAccount {
            account: world.id("ann"),
        },
        |world: &World| OperatorAct::ForgetAccount {
            account: world.id("ann"),
        },
        |_: &World| {
            let name = "ann".into();
            OperatorAct::TakeAccountFile(vec![AccountChange::Disable { name }])
        },
    ] {
        let mut world = World::with_online(&["ann"]);
        world.new_token("a", DIGEST);
        world.operate(act(&world));
        assert!(!world.has_token());
        let account = world.id("ann");
        world.operate(OperatorAct::EnableAccount { account });
        assert!(!world.has_token());
    }
}

#[test]
fn stronger_hash_keeps_tokens() {
    let mut world = World::with_online(&["ann"]);
    world.new_token("a", DIGEST);
    world.log_out(0);
    let Action::LogIn {
        account,
        address,
        password_version,
        ..
    } = world.log_in_action("ann", super::world::HERE)
    else {
        unreachable!("it is a login");
    };
    let stronger = Action::LogIn {
        account,
        session: UserSession::Plain,
        address,
        password_version,
        new_secret: Some("stronger".into()),
        asked_boot_ms: None,
    };
    assert_eq!(world.request(1, stronger), Outcome::LoggedIn);
    assert!(world.has_token());
}
