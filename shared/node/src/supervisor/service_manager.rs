//! Reports to the service manager that started this daemon, such as systemd: ready, reloading, stopping, alive.
//! [`notices`] decides what to report and is pure.

use sd_notify::NotifyState;

use crate::control::status_file::{Phase, Status};

/// The link to the service manager. Reports nothing if no service manager waits for reports (`NOTIFY_SOCKET`).
#[derive(Debug)]
pub(super) struct ServiceManager {
    /// The interval of the signs of life that the service manager demands (`WATCHDOG_USEC`), if it does.
    alive_every_ms: Option<u64>,
    alive_at_ms: u64,
    has_failed: bool,
}

/// What the service manager is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Notice {
    /// All children serve, or a reload has ended.
    Ready,
    Reloading,
    Stopping,
    /// A line for people.
    Status(String),
    Alive,
}

impl ServiceManager {
    /// Reads the environment. Times are on the clock of [`super::Now::clock_ms`].
    pub(super) fn from_environment() -> Self {
        // The manual recommends half of the time after which the service manager gives up.
        let alive_every_ms = sd_notify::watchdog_enabled().map(|limit| {
            u64::try_from(limit.as_millis() / 2)
                .unwrap_or(u64::MAX)
                .max(1)
        });
        Self {
            alive_every_ms,
            alive_at_ms: 0,
            has_failed: false,
        }
    }

    /// When [`Self::report`] is due although nothing has changed.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.alive_every_ms.map(|_| self.alive_at_ms)
    }

    /// Reports what has changed from `before` to `now`, and that this process is alive if that is due.
    pub(super) fn report(&mut self, before: &Status, now: &Status, now_ms: u64) {
        let mut due = notices(before, now);
        if let Some(every_ms) = self.alive_every_ms.filter(|_| self.alive_at_ms <= now_ms) {
            due.push(Notice::Alive);
            self.alive_at_ms = now_ms.saturating_add(every_ms);
        }
        for notice in due {
            let result = send(&notice);
            if let (Err(error), false) = (&result, self.has_failed) {
                log::warn!("cannot report to the service manager (NOTIFY_SOCKET): {error}");
            }
            self.has_failed = result.is_err();
        }
    }
}

/// What to report when the status changes.
fn notices(before: &Status, now: &Status) -> Vec<Notice> {
    let mut notices = Vec::new();
    let is_serving = now.phase == Phase::Serving;
    // Later requests may be waiting for the next reload. Then the service manager is told when the last one has ended.
    let is_reloading = |status: &Status| status.reload.requested > status.reload.answered;
    let was_requested = now.reload.requested > before.reload.requested;
    if is_serving && was_requested && !is_reloading(before) {
        notices.push(Notice::Reloading);
    }
    let has_reloaded = (was_requested || is_reloading(before)) && !is_reloading(now);
    let is_new = before.phase != now.phase;
    if is_serving && (is_new || has_reloaded) {
        notices.push(Notice::Ready);
    }
    if now.phase == Phase::Stopping && is_new {
        notices.push(Notice::Stopping);
    }
    if is_new || before.warning != now.warning {
        notices.push(Notice::Status(describe(now)));
    }
    notices
}

fn describe(status: &Status) -> String {
    let phase = match status.phase {
        Phase::Serving => format!("serving on {}", status.addresses.join(", ")),
        Phase::Stopping => "stopping".to_owned(),
        Phase::Starting | Phase::Waiting => "starting".to_owned(),
    };
    match &*status.warning {
        "" => phase,
        // A line end would begin another field.
        warning => format!("{phase}; warning: {}", warning.replace('\n', " ")),
    }
}

fn send(notice: &Notice) -> std::io::Result<()> {
    match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notice::Reloading => {
            sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
        }
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notice::Status(text) => sd_notify::notify(&[NotifyState::Status(text)]),
        Notice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::reload_result::ReloadStatus;

    fn status(phase: Phase, requested: u64, answered: u64) -> Status {
        Status {
            phase,
            addresses: vec!["127.0.0.1:4119".to_owned()],
            reload: ReloadStatus {
                requested,
                answered,
                result: None,
            },
            ..Status::default()
        }
    }

    fn serving(requested: u64, answered: u64) -> Status {
        status(Phase::Serving, requested, answered)
    }

    #[test]
    fn phases_are_reported_once() {
        let starting = status(Phase::Starting, 0, 0);
        assert_eq!(notices(&starting, &starting), []);
        let words = Notice::Status("serving on 127.0.0.1:4119".to_owned());
        assert_eq!(
            notices(&starting, &serving(0, 0)),
            [Notice::Ready, words.clone()]
        );
        assert_eq!(notices(&serving(0, 0), &serving(0, 0)), []);
        let words = Notice::Status("stopping".to_owned());
        assert_eq!(
            notices(&serving(0, 0), &status(Phase::Stopping, 0, 0)),
            [Notice::Stopping, words]
        );
    }

    #[test]
    fn each_reload_ends_ready() {
        let at_once = notices(&serving(0, 0), &serving(1, 1));
        assert_eq!(at_once, [Notice::Reloading, Notice::Ready]);
        assert_eq!(notices(&serving(1, 1), &serving(2, 1)), [Notice::Reloading]);
        assert_eq!(notices(&serving(2, 1), &serving(3, 1)), []);
        assert_eq!(notices(&serving(3, 1), &serving(3, 2)), []);
        assert_eq!(notices(&serving(3, 2), &serving(3, 3)), [Notice::Ready]);
    }

    #[test]
    fn warning_is_one_line() {
        let warned = Status {
            warning: "the file:\nREADY=1".to_owned(),
            ..serving(0, 0)
        };
        let words = "serving on 127.0.0.1:4119; warning: the file: READY=1".to_owned();
        assert_eq!(notices(&serving(0, 0), &warned), [Notice::Status(words)]);
    }
}
