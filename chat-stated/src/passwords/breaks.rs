//! Breaks of a thread that computes for long: now and then it sleeps for a moment, so that whoever waits for its core
//! has it.
//!
//! A scheduler that shares a core fairly lets one who has just had more than its share wait until it looks again: up to
//! a tick, whatever the priorities are. When somebody sleeps it looks at once. Argon2 cannot be asked to stop now and
//! then, so a timer's signal does it: SIGURG, which nothing else here uses, and which does nothing where nobody handles
//! it.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::c_int;
use nix::sys::prctl::set_timerslack;
use nix::sys::signal::{
    SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction,
};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use nix::unistd::gettid;

const SIGNAL: Signal = Signal::SIGURG;
/// From the end of a break to the next.
const WORK: Duration = Duration::from_micros(200);
const REST: Duration = Duration::from_micros(20);
/// Whoever waited long for the core on return from a break finds the next signal there already, and must get on all the
/// same: no break before so much work.
const LEAST_WORK: Duration = Duration::from_micros(100);
/// By default the kernel may let a thread sleep 50 us longer than it asked.
const TIMER_SLACK_NS: u64 = 1;
/// Not while this thread works.
const NEVER_NS: u64 = u64::MAX;

thread_local! {
    /// The processor time of this thread at which it may take its next break. Neither made when first asked for nor
    /// dropped, and so there for a signal handler at any time.
    static BREAK_DUE_NS: AtomicU64 = const { AtomicU64::new(NEVER_NS) };
}

/// Gives the thread that made it breaks.
pub(super) struct Breaks {
    /// None if the kernel gave none.
    timer: Option<Timer>,
}

impl Breaks {
    /// For the calling thread. What the kernel refuses is logged once, and then there are no breaks.
    pub(super) fn of_this_thread() -> Self {
        let timer = timer_of_this_thread().inspect_err(|error| log_refusal(*error));
        Self { timer: timer.ok() }
    }

    /// Does it with breaks.
    pub(super) fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _running = self.timer.as_mut().and_then(|timer| {
            let running = Running::start(timer);
            running.inspect_err(|error| log_refusal(*error)).ok()
        });
        work()
    }
}

fn log_refusal(error: Errno) {
    static LOGGED: Once = Once::new();
    LOGGED.call_once(|| {
        log::warn!(
            "cannot give breaks to the threads that hash passwords, so others may wait for them: {error}"
        );
    });
}

fn timer_of_this_thread() -> nix::Result<Timer> {
    let handler = SigHandler::Handler(take_break);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler makes system calls only that may be made in one, allocates and locks nothing, touches an
    // atomic of its own thread only, and leaves errno as it was. On a thread that does not work it does nothing.
    unsafe { sigaction(SIGNAL, &action) }?;
    SigSet::from(SIGNAL).thread_unblock()?;
    set_timerslack(TIMER_SLACK_NS)?;
    // No other thread ever gets it.
    let notify = SigevNotify::SigevThreadId {
        signal: SIGNAL,
        thread_id: gettid().as_raw(),
        si_value: 0,
    };
    Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(notify))
}

/// A timer that runs until this is dropped.
struct Running<'a> {
    timer: &'a mut Timer,
}

impl<'a> Running<'a> {
    fn start(timer: &'a mut Timer) -> nix::Result<Self> {
        set_break_due(0);
        let period = (WORK + REST).into();
        // Made first, so that what is begun is ended, come what may.
        let running = Self { timer };
        running
            .timer
            .set(Expiration::Interval(period), TimerSetTimeFlags::empty())?;
        Ok(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // No time at all stops it. A signal that is on its way comes before this returns, or finds that no break is
        // due.
        let never = Expiration::OneShot(TimeSpec::new(0, 0));
        if let Err(error) = self.timer.set(never, TimerSetTimeFlags::empty()) {
            log_refusal(error);
        }
        set_break_due(NEVER_NS);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn set_break_due(used_ns: u64) {
    BREAK_DUE_NS.with(|due| due.store(used_ns, Ordering::Relaxed));
}

/// Runs in the middle of anything that its thread does.
extern "C" fn take_break(_: c_int) {
    let errno = Errno::last_raw();
    let due_ns = BREAK_DUE_NS.with(|due| due.load(Ordering::Relaxed));
    if due_ns != NEVER_NS
        && let Ok(used) = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
    {
        let used = Duration::from(used);
        let used_ns = nanoseconds(used);
        if used_ns >= due_ns {
            let clock = ClockId::CLOCK_MONOTONIC;
            // Another signal may cut it short.
            let _ = clock_nanosleep(clock, ClockNanosleepFlags::empty(), &REST.into());
            set_break_due(used_ns.saturating_add(nanoseconds(LEAST_WORK)));
        }
    }
    Errno::set_raw(errno);
}

#[cfg(test)]
pub(super) mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Instant;

    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::signal::raise;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const SOME_BREAKS: u64 = 20;
    const MANY: u32 = 20;
    /// More than the time between two breaks, many times over.
    const LONG_WORK: Duration = Duration::from_millis(20);

    /// How often the calling thread gave up its core of its own accord, so far.
    pub(in crate::passwords) fn sleeps_of_this_thread() -> u64 {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        usage.voluntary_context_switches().cast_unsigned()
    }

    fn used() -> Duration {
        let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
        clock_gettime(clock).unwrap().into()
    }

    /// Computes until the thread has slept so often, or for longer than anybody waits.
    fn work_until_slept(times: u64) -> u64 {
        let (began_at, before) = (Instant::now(), sleeps_of_this_thread());
        loop {
            let slept = sleeps_of_this_thread() - before;
            if slept >= times || began_at.elapsed() > PATIENCE {
                return slept;
            }
        }
    }

    fn sleeps_in_long_work() -> u64 {
        let (end, before) = (used() + LONG_WORK, sleeps_of_this_thread());
        while used() < end {}
        sleeps_of_this_thread() - before
    }

    /// Each test has a thread of its own: what it changes stays with the thread.
    fn in_thread<T: Send>(test: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(test).join().unwrap())
    }

    #[test]
    fn who_works_takes_breaks() {
        let slept = in_thread(|| Breaks::of_this_thread().during(|| work_until_slept(SOME_BREAKS)));
        assert!(slept >= SOME_BREAKS, "{slept} times");
    }

    #[test]
    fn breaks_work_with_blocked_signal() {
        let slept = in_thread(|| {
            SigSet::from(SIGNAL).thread_block().unwrap();
            Breaks::of_this_thread().during(|| work_until_slept(SOME_BREAKS))
        });
        assert!(slept >= SOME_BREAKS, "{slept} times");
    }

    /// It could sleep now and then for reasons of the kernel's.
    #[test]
    fn who_does_not_work_takes_none() {
        let [before, after, after_panic] = in_thread(|| {
            let mut breaks = Breaks::of_this_thread();
            let before = sleeps_in_long_work();
            breaks.during(|| work_until_slept(1));
            let after = sleeps_in_long_work();
            let work = AssertUnwindSafe(|| breaks.during(|| panic!("of the test")));
            assert!(catch_unwind(work).is_err());
            [before, after, sleeps_in_long_work()]
        });
        for slept in [before, after, after_panic] {
            assert!(slept < SOME_BREAKS, "{slept} times");
        }
    }

    #[test]
    fn signal_is_harmless_to_idle_threads() {
        let slept = in_thread(|| {
            let _breaks = Breaks::of_this_thread();
            let before = sleeps_of_this_thread();
            for _ in 0..10 * SOME_BREAKS {
                raise(SIGNAL).unwrap();
            }
            sleeps_of_this_thread() - before
        });
        assert!(slept < SOME_BREAKS, "{slept} times");
    }

    /// Who finds a signal waiting on return from every break would do nothing but sleep.
    #[test]
    fn there_is_work_between_two_breaks() {
        in_thread(|| {
            Breaks::of_this_thread().during(|| {
                let (began, before) = (used(), sleeps_of_this_thread());
                while used() - began < MANY * LEAST_WORK {
                    raise(SIGNAL).unwrap();
                }
                let slept = sleeps_of_this_thread() - before;
                assert!(slept <= u64::from(2 * MANY), "{slept} times");
            });
        });
    }
}
