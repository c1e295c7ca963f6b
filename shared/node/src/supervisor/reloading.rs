//! What a reload does in the parent: settings first, then the configuration of the children, then their own files.

use super::Supervisor;
use crate::control::protocol::Report;
use crate::control::reload_result::{ReloadReport, ReloadResult};

/// Accepts the files as they are now that a reload would refuse.
pub type FileAcceptance = Box<dyn Fn() -> anyhow::Result<()>>;

impl Supervisor {
    /// Requests a reload, by a signal or over the control socket. Begins it, unless another one is in progress.
    pub(super) fn request_reload(&mut self) {
        log::info!("reloading");
        // Files that an operator has replaced belong to the operator.
        if let Err(error) = self.starter.change_ownership() {
            log::error!("{error}");
        }
        if self.reloads.request() {
            self.begin_reload();
        }
    }

    /// Accepts the files as they are now.
    pub(super) fn accept_files(&self) -> Result<(), String> {
        let accept = self.file_acceptance.as_ref();
        accept.map_or(Ok(()), |accept| {
            accept().map_err(|error| format!("{error:#}"))
        })
    }

    /// The report on a reload that has ended.
    pub(super) fn reload_report(&self) -> Report {
        match &self.reload_result {
            Some(Ok(summary)) => Report::Reloaded {
                summary: summary.clone(),
            },
            Some(Err(reason)) => Report::Failed {
                reason: reason.clone(),
            },
            None => Report::Failed {
                reason: "re-read its files, but does not report a result".to_owned(),
            },
        }
    }

    /// Begins the reload that is due. If the settings cannot be used, nothing else is read, and everything stays as it
    /// was.
    pub(super) fn begin_reload(&mut self) {
        match self.reload_settings() {
            Ok(()) => {
                self.reload_configuration();
                self.child_set.reload();
            }
            Err(reason) => {
                let reason = format!("{reason}; nothing was reloaded");
                log::error!("{reason}");
                self.reload_result = Some(Err(reason));
                if self.reloads.end() {
                    self.begin_reload();
                }
            }
        }
    }

    /// Reads the settings again, and gives them to every child, also to those that start later.
    fn reload_settings(&mut self) -> Result<(), String> {
        let Some(settings) = &mut self.settings else {
            return Ok(());
        };
        let reloaded = settings.reload()?;
        self.settings_summary = reloaded.summary;
        if let Some(summary) = &self.settings_summary {
            log::info!("{summary}");
        }
        if self.starter.settings_file != reloaded.for_children {
            self.starter.settings_file = reloaded.for_children;
            let written = self.starter.settings_file.as_deref().unwrap_or_default();
            for link in self.links.iter_mut().flatten() {
                link.push_settings(written);
                link.flush();
            }
        }
        Ok(())
    }

    /// The result of a reload that was asked for, and what it changed of the settings.
    fn with_settings_summary(&self, result: ReloadResult) -> ReloadResult {
        match &self.settings_summary {
            Some(summary) => result.map(|words| format!("{words}; {summary}")),
            None => result,
        }
    }

    /// Reads the child configuration again, if this daemon has one.
    fn reload_configuration(&mut self) {
        let Some(child_configuration) = &mut self.child_configuration else {
            return;
        };
        let has_changed = child_configuration.reload();
        let result = child_configuration.reload_result().clone();
        self.reload_result = Some(self.with_settings_summary(result));
        self.reloads.end();
        if has_changed {
            self.push_configuration();
        }
    }

    pub(super) fn take_reload_reports(&mut self, reload_reports: Vec<ReloadReport>) {
        for report in reload_reports {
            self.reload_result = Some(match report.was_requested {
                true => self.with_settings_summary(report.result),
                false => report.result,
            });
            if report.was_requested && self.reloads.end() {
                self.begin_reload();
            }
        }
    }
}
