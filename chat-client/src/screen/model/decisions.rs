//! What commands decide of conversations and people: muted, ignored, how to tell. It holds in later runs, too.

use super::notice::Notifying;
use super::{Action, Model};

impl Model {
    /// Mutes the conversation that is shown, or ends that.
    pub(super) fn mute(&mut self, may_begin: bool) {
        let key = self.transcripts.current().target.key();
        let preferences = &mut self.transcripts.preferences;
        let is_muted = match may_begin || preferences.is_muted(&key) {
            true => preferences.toggle_mute(&key),
            false => false,
        };
        self.transcripts.apply_preferences();
        self.keep_preferences();
        self.hint = Some(match is_muted {
            true => "This conversation is muted.".to_owned(),
            false => "This conversation is not muted any more.".to_owned(),
        });
    }

    /// Ignores a user, or ends that.
    pub(super) fn ignore(&mut self, name: &str, may_begin: bool) {
        let preferences = &mut self.transcripts.preferences;
        let is_ignored = match may_begin || preferences.ignores(name) {
            true => preferences.toggle_ignore(name),
            false => false,
        };
        self.keep_preferences();
        self.hint = Some(match is_ignored {
            true => format!("{name} is ignored: new messages of this user are not shown here."),
            false => format!("{name} is not ignored any more."),
        });
    }

    pub(super) fn list_ignored(&mut self) {
        let ignored = self.transcripts.preferences.ignored().join(" ");
        self.hint = Some(match ignored.as_str() {
            "" => "Nobody is ignored. /ignore NAME ignores a user.".to_owned(),
            names => format!("Ignored: {names}"),
        });
    }

    /// How to tell of messages in the conversation that is shown; whether it was understood.
    pub(super) fn notify_by(&mut self, how: &str) -> bool {
        let Some(notifying) = Notifying::named(how) else {
            self.hint = Some("Usage: /notify bell|osc9|osc777|command|off".to_owned());
            return false;
        };
        if notifying == Notifying::Command && !self.has_command {
            self.hint = Some("client.toml has no notify_command to run.".to_owned());
            return false;
        }
        let target = &self.transcripts.current().target;
        let (key, name) = (target.key(), target.name());
        self.transcripts.preferences.notify(&key, notifying);
        self.keep_preferences();
        self.hint = Some(format!("Notices for {name}: {how}."));
        true
    }

    fn keep_preferences(&mut self) {
        let text = self.transcripts.preferences.to_text();
        let account = self.account_alone();
        self.actions.push(Action::StorePreferences(account, text));
    }
}
