//! An I/O thread: it waits for a disk in place of the loop. It takes requests from a channel and reports completions.

use std::io;
use std::process;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Builder, JoinHandle};

/// Takes completions. Called from the I/O thread; must not block.
pub type CompletionSink<C> = Box<dyn FnMut(C) + Send>;

/// An I/O thread that serves requests in their order. Its queue has no bound: the sender bounds what is in flight.
///
/// Dropping it closes the queue, and waits until the thread has served what is in it.
#[derive(Debug)]
pub struct IoThread<R> {
    requests: Option<Sender<R>>,
    thread: Option<JoinHandle<()>>,
}

impl<R: Send + 'static> IoThread<R> {
    /// Starts a thread of this name. `serve` takes requests until the queue is closed. It may return earlier, once it
    /// has reported a failure that ends the process. A panic in it ends the process at once.
    pub fn start(name: &str, serve: impl FnOnce(Receiver<R>) + Send + 'static) -> io::Result<Self> {
        let (requests, receiver) = channel();
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let _guard = AbortOnPanic;
            serve(receiver);
        })?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    /// Queues a request. The thread drops it if it has reported a failure before.
    pub fn send(&self, request: R) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(request);
        }
    }
}

impl<R> Drop for IoThread<R> {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has ended the process.
            let _ = thread.join();
        }
    }
}

/// Without it the loop would wait for ever for completions of a thread that has panicked.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::time::Duration;

    use nix::libc::SIGABRT;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);
    const CHILD_VARIABLE: &str = "CHAT_TEST_IO_THREAD_PANICS";

    #[test]
    fn drop_serves_what_is_queued() {
        let (sender, served) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let thread = IoThread::start("test", move |requests: Receiver<u32>| {
            let _ = held.recv();
            requests
                .iter()
                .for_each(|request| sender.send(request).unwrap());
        });
        let thread = thread.unwrap();
        (0..100).for_each(|request| thread.send(request));
        drop(release);
        drop(thread);
        assert!(served.iter().eq(0..100));
    }

    #[test]
    fn requests_after_failure_are_dropped() {
        let (sender, ended) = mpsc::channel();
        let thread = IoThread::start("test", move |requests: Receiver<u32>| {
            drop(requests);
            sender.send(()).unwrap();
        });
        let thread = thread.unwrap();
        ended.recv_timeout(TIMEOUT).unwrap();
        thread.send(1);
    }

    #[test]
    fn panic_ends_process() {
        if std::env::var_os(CHILD_VARIABLE).is_some() {
            let thread = IoThread::start("test", |_: Receiver<u32>| panic!("of the test"));
            drop(thread);
            return;
        }
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["io_thread::tests::panic_ends_process", "--exact"])
            .env(CHILD_VARIABLE, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(SIGABRT));
    }
}
