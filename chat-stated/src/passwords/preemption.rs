//! Preemption of a thread that computes for long: a timer makes it sleep for a moment, so that waiting threads get
//! its core.
//!
//! A fair scheduler keeps a thread waiting that has just used more than its share: up to a tick (4 ms), whatever the
//! priorities are. When the running thread sleeps, the scheduler chooses again at once. Argon2 has no place to yield,
//! so a timer's signal interrupts it: SIGURG, which nothing else here uses, and which the system ignores by default.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{SIGEV_THREAD_ID, c_int};
use nix::sys::prctl::set_timerslack;
use nix::sys::signal::{
    SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction,
};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use nix::unistd::gettid;

const SIGNAL: Signal = Signal::SIGURG;
/// Processor time between two pauses.
const WORK: Duration = Duration::from_micros(200);
const PAUSE: Duration = Duration::from_micros(20);
/// A thread that waited long for its core after a pause finds the next signal pending. It ignores signals until it has
/// worked for so long, or it would never get on.
const LEAST_WORK: Duration = Duration::from_micros(100);
/// By default the kernel may wake a thread 50 us late.
const TIMER_SLACK_NS: u64 = 1;
/// No pause is due: the thread does not hash.
const NEVER_NS: u64 = u64::MAX;

thread_local! {
    /// The processor time of this thread after which it may pause. It has a constant initial value and no destructor,
    /// so a signal handler can read it at any time.
    static PAUSE_DUE_NS: AtomicU64 = const { AtomicU64::new(NEVER_NS) };
}

/// Preempts the thread that made it.
pub(super) struct PreemptionTimer {
    /// None if the kernel refused one.
    timer: Option<Timer>,
}

impl PreemptionTimer {
    /// Makes a timer for the calling thread. A refusal by the kernel is logged once, and then there are no pauses.
    pub(super) fn of_this_thread() -> Self {
        let timer = timer_of_this_thread().inspect_err(|error| log_refusal(*error));
        Self { timer: timer.ok() }
    }

    /// Does work with pauses.
    pub(super) fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _armed = self.timer.as_mut().and_then(|timer| {
            let armed = Armed::start(timer);
            armed.inspect_err(|error| log_refusal(*error)).ok()
        });
        work()
    }
}

fn log_refusal(error: Errno) {
    static LOGGED: Once = Once::new();
    LOGGED.call_once(|| {
        log::warn!(
            "cannot preempt threads that hash passwords, so other threads may wait for them: {error}"
        );
    });
}

fn timer_of_this_thread() -> nix::Result<Timer> {
    let handler = SigHandler::Handler(pause);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler makes only system calls that are allowed in a handler. It allocates and locks nothing,
    // touches only an atomic of its own thread, and restores errno. On a thread that does not hash it does nothing.
    unsafe { sigaction(SIGNAL, &action) }?;
    SigSet::from(SIGNAL).thread_unblock()?;
    set_timerslack(TIMER_SLACK_NS)?;
    // The signal goes to this thread only. nix has this kind of notification for glibc, but not for musl.
    let mut event = SigEvent::new(SigevNotify::SigevNone).sigevent();
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGNAL as c_int;
    event.sigev_notify_thread_id = gettid().as_raw();
    Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::from(&event))
}

/// A timer that runs until this is dropped.
struct Armed<'a> {
    timer: &'a mut Timer,
}

impl<'a> Armed<'a> {
    fn start(timer: &'a mut Timer) -> nix::Result<Self> {
        set_pause_due(0);
        let period = (WORK + PAUSE).into();
        // Made first, so that its drop ends what fails half-way.
        let armed = Self { timer };
        armed
            .timer
            .set(Expiration::Interval(period), TimerSetTimeFlags::empty())?;
        Ok(armed)
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        // A time of zero stops the timer. A pending signal comes before this returns, or finds that no pause is due.
        let never = Expiration::OneShot(TimeSpec::new(0, 0));
        if let Err(error) = self.timer.set(never, TimerSetTimeFlags::empty()) {
            log_refusal(error);
        }
        set_pause_due(NEVER_NS);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn set_pause_due(used_ns: u64) {
    PAUSE_DUE_NS.with(|due| due.store(used_ns, Ordering::Relaxed));
}

/// Runs in the middle of anything that its thread does.
extern "C" fn pause(_: c_int) {
    let errno = Errno::last_raw();
    let due_ns = PAUSE_DUE_NS.with(|due| due.load(Ordering::Relaxed));
    if due_ns != NEVER_NS
        && let Ok(used) = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
    {
        let used = Duration::from(used);
        let used_ns = nanoseconds(used);
        if used_ns >= due_ns {
            let clock = ClockId::CLOCK_MONOTONIC;
            // Another signal may cut it short.
            let _ = clock_nanosleep(clock, ClockNanosleepFlags::empty(), &PAUSE.into());
            set_pause_due(used_ns.saturating_add(nanoseconds(LEAST_WORK)));
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

    const TIMEOUT: Duration = Duration::from_secs(60);
    const SOME_PAUSES: u64 = 20;
    const MANY: u32 = 20;
    /// Many times the time between two pauses.
    const LONG_WORK: Duration = Duration::from_millis(20);

    /// How often the calling thread has slept so far.
    pub(in crate::passwords) fn sleeps_of_this_thread() -> u64 {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        usage.voluntary_context_switches().cast_unsigned()
    }

    fn used() -> Duration {
        let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
        clock_gettime(clock).unwrap().into()
    }

    /// Computes until the thread has slept so often, or until the timeout. Returns how often it slept.
    fn work_until_slept(times: u64) -> u64 {
        let (began_at, before) = (Instant::now(), sleeps_of_this_thread());
        loop {
            let slept = sleeps_of_this_thread() - before;
            if slept >= times || began_at.elapsed() > TIMEOUT {
                return slept;
            }
        }
    }

    fn sleeps_in_long_work() -> u64 {
        let (end, before) = (used() + LONG_WORK, sleeps_of_this_thread());
        while used() < end {}
        sleeps_of_this_thread() - before
    }

    /// Each test has a thread of its own, because the timer changes the thread.
    fn in_thread<T: Send>(test: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(test).join().unwrap())
    }

    #[test]
    fn working_thread_pauses() {
        let slept = in_thread(|| {
            PreemptionTimer::of_this_thread().during(|| work_until_slept(SOME_PAUSES))
        });
        assert!(slept >= SOME_PAUSES, "{slept} times");
    }

    #[test]
    fn blocked_signal_is_unblocked() {
        let slept = in_thread(|| {
            SigSet::from(SIGNAL).thread_block().unwrap();
            PreemptionTimer::of_this_thread().during(|| work_until_slept(SOME_PAUSES))
        });
        assert!(slept >= SOME_PAUSES, "{slept} times");
    }

    /// The kernel may make a thread sleep now and then for reasons of its own.
    #[test]
    fn only_guarded_work_pauses() {
        let [before, after, after_panic] = in_thread(|| {
            let mut timer = PreemptionTimer::of_this_thread();
            let before = sleeps_in_long_work();
            timer.during(|| work_until_slept(1));
            let after = sleeps_in_long_work();
            let work = AssertUnwindSafe(|| timer.during(|| panic!("of the test")));
            assert!(catch_unwind(work).is_err());
            [before, after, sleeps_in_long_work()]
        });
        for slept in [before, after, after_panic] {
            assert!(slept < SOME_PAUSES, "{slept} times");
        }
    }

    #[test]
    fn signal_outside_work_does_nothing() {
        let slept = in_thread(|| {
            let _timer = PreemptionTimer::of_this_thread();
            let before = sleeps_of_this_thread();
            for _ in 0..10 * SOME_PAUSES {
                raise(SIGNAL).unwrap();
            }
            sleeps_of_this_thread() - before
        });
        assert!(slept < SOME_PAUSES, "{slept} times");
    }

    /// A thread that found a signal pending after every pause would only sleep.
    #[test]
    fn thread_works_between_two_pauses() {
        in_thread(|| {
            PreemptionTimer::of_this_thread().during(|| {
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
