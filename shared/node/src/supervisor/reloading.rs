//! What a reload does in the parent: settings first, then the configuration of the children, then their own files.

use std::fs::File;

use anyhow::Context;

use super::Supervisor;
use crate::control::protocol::Report;
use crate::control::reload_result::{ReloadReport, ReloadResult};

/// Accepts the files as they are now that a reload would refuse.
pub type FileAcceptance = Box<dyn Fn() -> anyhow::Result<()>>;

impl Supervisor {
    /// Requests a reload, by a signal or over the control socket. Begins it, unless another one is in progress.
    pub(super) fn request_reload(&mut self) {
        self.open_log_anew();
        log::info!("reloading");
        // Files that an operator has replaced belong to the operator.
        if let Err(error) = self.starter.change_ownership() {
            log::error!("{error}");
        }
        if self.reloads.request() {
            self.begin_reload();
        }
    }

    /// Opens the log file anew, if it was renamed or deleted, for this process and its children. If that fails, all go
    /// on with the old one.
    fn open_log_anew(&mut self) {
        let opened = match &self.log_file {
            Some(log_file) => log_file.open_anew(),
            None => Ok(None),
        };
        let passed_on = opened.and_then(|file| match file {
            Some(file) => self.pass_log_on(&file),
            None => Ok(()),
        });
        self.log_failure = passed_on.err().map(|error| format!("{error:#}"));
        if let Some(reason) = &self.log_failure {
            log::error!("{reason}; the log goes on in the old file");
        }
    }

    fn pass_log_on(&mut self, file: &File) -> anyhow::Result<()> {
        for link in self.links.iter_mut().flatten() {
            let file = file.try_clone();
            link.push_log_file(
                file.context("cannot give the new log file to a child")?
                    .into(),
            );
            link.flush();
        }
        Ok(())
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

    /// The result of a reload that was asked for, with what it changed of the settings, and whether the log is right.
    fn with_details(&self, result: ReloadResult) -> ReloadResult {
        let words = match &self.settings_summary {
            Some(summary) => format!("{}; {summary}", result?),
            None => result?,
        };
        match &self.log_failure {
            Some(reason) => Err(format!("{words}; but {reason}")),
            None => Ok(words),
        }
    }

    /// Reads the child configuration again, if this daemon has one.
    fn reload_configuration(&mut self) {
        let Some(child_configuration) = &mut self.child_configuration else {
            return;
        };
        let has_changed = child_configuration.reload();
        let result = child_configuration.reload_result().clone();
        self.reload_result = Some(self.with_details(result));
        self.reloads.end();
        if has_changed {
            self.push_configuration();
        }
    }

    pub(super) fn take_reload_reports(&mut self, reload_reports: Vec<ReloadReport>) {
        for report in reload_reports {
            self.reload_result = Some(match report.was_requested {
                true => self.with_details(report.result),
                false => report.result,
            });
            if report.was_requested && self.reloads.end() {
                self.begin_reload();
            }
        }
    }
}
