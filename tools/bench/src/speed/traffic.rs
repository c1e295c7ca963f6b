//! Messages that flow through a crowd for some time, and what that takes.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::hearing::{self, Hearing};
use super::progress::Progress;
use crate::crowd::Crowd;
use crate::process_tree::processor_time;

const TURN_TIMEOUT: Duration = Duration::from_millis(100);
/// How long nothing at all may come of it.
const STALL_PATIENCE: Duration = Duration::from_secs(30);

/// Something that goes on in a crowd.
pub trait Traffic: Hearing {
    /// Begins what may be begun.
    fn begin_more(&mut self, crowd: &mut Crowd) -> anyhow::Result<()>;
    /// How much is done: it never becomes less.
    fn done(&self) -> u64;
}

/// Lets traffic flow for some time.
pub fn flow(
    traffic: &mut impl Traffic,
    crowd: &mut Crowd,
    span: Duration,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let began_at = Instant::now();
    keep_going(traffic, crowd, |_, now| {
        progress.show(now, (now - began_at).div_duration_f64(span));
        now >= began_at + span
    })
}

/// Lets traffic flow until there was enough of it.
pub fn flow_until<T: Traffic>(
    traffic: &mut T,
    crowd: &mut Crowd,
    mut is_enough: impl FnMut(&T) -> bool,
) -> anyhow::Result<()> {
    keep_going(traffic, crowd, |traffic, _| is_enough(traffic))
}

fn keep_going<T: Traffic>(
    traffic: &mut T,
    crowd: &mut Crowd,
    mut is_enough: impl FnMut(&T, Instant) -> bool,
) -> anyhow::Result<()> {
    let (mut done, mut done_at) = (traffic.done(), Instant::now());
    while !is_enough(traffic, Instant::now()) {
        traffic.begin_more(crowd)?;
        hearing::turn(crowd, TURN_TIMEOUT, traffic)?;
        if traffic.done() > done {
            (done, done_at) = (traffic.done(), Instant::now());
        } else if done_at.elapsed() > STALL_PATIENCE {
            bail!("{done} were done, then no more");
        }
    }
    Ok(())
}

/// Time on the clock and of processors, while something is done.
#[derive(Debug)]
pub struct Stopwatch {
    processes: Vec<i32>,
    done: u64,
    used: Duration,
    own_used: Duration,
    began_at: Instant,
}

impl Stopwatch {
    /// Begins: these processes of the server work, and so much was done before.
    pub fn start(processes: Vec<i32>, done: u64) -> Self {
        Self {
            done,
            used: processor_time(&processes),
            own_used: processor_time(&own_process()),
            began_at: Instant::now(),
            processes,
        }
    }

    /// Ends: how many things (called so) were done in a second, what each took the server, and who was busy.
    pub fn figures(&self, rate: &'static str, done: u64) -> Vec<(&'static str, f64)> {
        let took = self.began_at.elapsed();
        let done = (done - self.done) as f64;
        let used = processor_time(&self.processes) - self.used;
        let own_used = processor_time(&own_process()) - self.own_used;
        vec![
            (rate, done / took.as_secs_f64()),
            (SERVER_CPU, used.as_secs_f64() * 1e6 / done.max(1.0)),
            ("server busy %", used.div_duration_f64(took) * 100.0),
            ("load busy %", own_used.div_duration_f64(took) * 100.0),
        ]
    }
}

/// The figure that tells processor time of the server for a million of what was done.
pub const SERVER_CPU: &str = "server CPU s/M";

fn own_process() -> [i32; 1] {
    [std::process::id() as i32]
}
