//! Questions of operators' tools, on the workers' socket.

use chat_rpc::{OPERATOR_VERSION, OperatorError, OperatorHello, Standing};

use super::link::{LinkId, Stage};
use super::{Action, Core};

impl Core {
    /// Answers a first frame if it is an operator's, and closes the link; says whether it was. The answer costs the
    /// loop nothing: whoever asked reads the files himself.
    pub(super) fn answer_operator(&mut self, link: LinkId, payload: &[u8]) -> bool {
        match OperatorHello::decode(payload) {
            Err(OperatorError::NotForOperators) => return false,
            Ok(OperatorHello) => {}
            // The answer bears our version, which tells the other side all it can know.
            Err(error) => log::warn!("an operator's tool asks in another way: {error}"),
        }
        let standing = Standing {
            position: self.checkpoints.applied().0,
        };
        if let Some(asking) = self.links.get_mut(link) {
            log::debug!("process {} asks (version {OPERATOR_VERSION})", asking.pid());
            asking.send_frame(&standing.encode());
            asking.enter(Stage::Closing);
            self.actions.push(Action::CloseLink(link));
        }
        true
    }
}
