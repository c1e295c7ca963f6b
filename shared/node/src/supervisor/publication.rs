//! Keeps the status file and the service manager up to date. A failed write of the file, as on a full disk, is retried
//! until it succeeds.

use std::path::PathBuf;

use super::service_manager::ServiceManager;
use crate::control::status_file::Status;

/// How long after a failure the write is retried.
const RETRY_AFTER_MS: u64 = 1_000;

/// A status and its file. Times are on the clock of [`super::Now::clock_ms`].
#[derive(Debug)]
pub(super) struct Publication {
    path: PathBuf,
    status: Status,
    /// Set while the file is out of date.
    retry_at_ms: Option<u64>,
    service_manager: ServiceManager,
}

impl Publication {
    /// Writes nothing yet; `status` is what the next one is compared with.
    pub(super) fn new(path: PathBuf, status: Status) -> Self {
        Self {
            path,
            status,
            retry_at_ms: None,
            service_manager: ServiceManager::from_environment(),
        }
    }

    /// The last status, written or not.
    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// When to call [`Self::publish`] although nothing has changed.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let alive_at_ms = self.service_manager.next_due_ms();
        self.retry_at_ms.into_iter().chain(alive_at_ms).min()
    }

    /// Writes the status if it has changed, or if a retry is due. Then reports it to the service manager.
    pub(super) fn publish(&mut self, status: Status, now_ms: u64) {
        let before = self.status.clone();
        self.write(status, now_ms);
        self.service_manager.report(&before, &self.status, now_ms);
    }

    fn write(&mut self, status: Status, now_ms: u64) {
        let is_due = self.retry_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if status == self.status && !is_due {
            return;
        }
        self.status = status;
        let path = self.path.display();
        let has_failed_before = self.retry_at_ms.is_some();
        match self.status.write(&self.path) {
            Ok(()) => {
                self.retry_at_ms = None;
                if has_failed_before {
                    log::info!("the status file {path} is written again");
                }
            }
            Err(error) => {
                self.retry_at_ms = Some(now_ms.saturating_add(RETRY_AFTER_MS));
                if !has_failed_before {
                    log::warn!(
                        "cannot write the status file {path}: {error}; retrying, and scripts/status and scripts/start \
                         may be wrong until it succeeds"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::control::status_file::Phase;

    fn serving() -> Status {
        Status {
            boot_id: "b".to_owned(),
            phase: Phase::Serving,
            ..Status::default()
        }
    }

    #[test]
    fn failed_write_is_retried_after_second() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let path = missing.join("x.status");
        let mut publication = Publication::new(path.clone(), Status::default());
        publication.publish(serving(), 10);
        assert_eq!(publication.next_due_ms(), Some(1_010));
        publication.publish(serving(), 1_009);
        assert_eq!(publication.next_due_ms(), Some(1_010));
        publication.publish(serving(), 1_010);
        assert_eq!(publication.next_due_ms(), Some(2_010));

        fs::create_dir(&missing).unwrap();
        publication.publish(serving(), 2_009);
        assert_eq!(Status::read(&path), None);
        publication.publish(serving(), 2_010);
        assert_eq!(Status::read(&path), Some(serving()));
        assert_eq!(publication.next_due_ms(), None);
    }

    #[test]
    fn only_changes_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.status");
        let mut publication = Publication::new(path.clone(), Status::default());
        publication.publish(Status::default(), 0);
        assert!(!path.exists());
        publication.publish(serving(), 0);
        assert_eq!(Status::read(&path), Some(serving()));
        fs::remove_file(&path).unwrap();
        publication.publish(serving(), 60_000);
        assert!(!path.exists());
    }
}
