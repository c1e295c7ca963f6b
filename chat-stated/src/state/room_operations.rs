//! What operators of the server do to rooms. The owner of the room is charged with the lines that tell of it.

use chat_model::RoomId;

use super::State;
use super::effects::{ActRefusal, Effects, OperatorOutcome};
use super::room_acts::Actor;

/// Who did it, in what members are told.
const SERVER_OPERATOR: &str = "an operator of the server";

impl State {
    /// Ends a room, whoever owns it. Its members are told.
    pub(super) fn drop_room_by_operator(
        &mut self,
        id: RoomId,
        wall_ms: i64,
        effects: &mut Effects,
    ) -> Result<OperatorOutcome, ActRefusal> {
        let mut actor = self.operator_in(id, wall_ms, effects)?;
        let text = format!("{SERVER_OPERATOR} dropped the room");
        self.tell_each_but(None, &mut actor, id, text);
        self.drop_room(id, actor.effects);
        Ok(OperatorOutcome::Done)
    }

    /// Says for how many days a room's history is kept. Its members are told, if they can be.
    pub(super) fn set_retention_by_operator(
        &mut self,
        id: RoomId,
        days: u32,
        wall_ms: i64,
        effects: &mut Effects,
    ) -> Result<OperatorOutcome, ActRefusal> {
        let room = self.rooms.get(id).ok_or(ActRefusal::NoSuchRoom)?;
        if room.record.retention_days == Some(days) {
            return Err(ActRefusal::AlreadySo);
        }
        let mut actor = self.operator_in(id, wall_ms, effects)?;
        let owner = actor.account;
        let text = format!("{SERVER_OPERATOR} set the retention to {days} days");
        // A member gets no message of his own, so the owner is told by name. Nothing keeps the operator from acting.
        let _ = self.tell(&mut actor, id, &[owner], text);
        self.keep_for(id, days);
        Ok(OperatorOutcome::Done)
    }

    fn operator_in<'a>(
        &self,
        id: RoomId,
        wall_ms: i64,
        effects: &'a mut Effects,
    ) -> Result<Actor<'a>, ActRefusal> {
        let room = self.rooms.get(id).ok_or(ActRefusal::NoSuchRoom)?;
        Ok(Actor {
            account: room.record.owner,
            name: SERVER_OPERATOR.into(),
            wall_ms,
            effects,
        })
    }
}
