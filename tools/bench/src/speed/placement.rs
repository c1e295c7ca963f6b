//! Which core does what: the server one, the load another, so that neither takes the other's time.

use anyhow::Context;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Where the server and the load run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    cores: Option<Cores>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cores {
    server: usize,
    load: usize,
}

impl Placement {
    /// Each on a core of its own, unless there is only one or `is_free`; then the kernel decides.
    pub fn choose(is_free: bool) -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0))
            .context("cannot ask which cores this process may use")?;
        let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        let cores = match (cores.next(), cores.next()) {
            (Some(server), Some(load)) if !is_free => Some(Cores { server, load }),
            _ => None,
        };
        Ok(Self { cores })
    }

    /// Does something on the server's core, which processes that are started meanwhile keep to. The rest of this
    /// process is then on the load's.
    pub fn on_server_core<T>(self, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        let Some(Cores { server, load }) = self.cores else {
            return Ok(work());
        };
        keep_to(server)?;
        let done = work();
        keep_to(load)?;
        Ok(done)
    }

    /// For people and results.
    pub fn describe(self) -> String {
        match self.cores {
            Some(Cores { server, load }) => format!("server on core {server}, load on core {load}"),
            None => "cores not fixed".to_owned(),
        }
    }
}

fn keep_to(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot keep this process to core {core}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_stays_on_servers_core() {
        let placement = Placement::choose(false).unwrap();
        let Some(cores) = placement.cores else {
            return;
        };
        let allowed = |pid| sched_getaffinity(Pid::from_raw(pid)).unwrap();
        let mut child = placement
            .on_server_core(|| std::process::Command::new("sleep").arg("60").spawn())
            .unwrap()
            .unwrap();
        let of_child = allowed(child.id() as i32);
        assert!(of_child.is_set(cores.server).unwrap() && !of_child.is_set(cores.load).unwrap());
        assert!(!allowed(0).is_set(cores.server).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
