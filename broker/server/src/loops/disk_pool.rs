//! Threads for work that waits for disks (`background.threads`): fsyncs and removals.
//!
//! Threads start when there is work that no idle thread takes, and leave after a while without work, so that an idle
//! broker has none.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// How long a thread waits for more work.
const LINGER: Duration = Duration::from_secs(10);

/// A pool; clones share it.
#[derive(Clone)]
pub struct DiskPool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    done: Condvar,
    max_threads: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// Queued or running.
    unfinished: usize,
}

impl DiskPool {
    /// A pool of at most `max_threads` threads; none of them is started yet.
    #[must_use]
    pub fn new(max_threads: usize) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            max_threads: max_threads.max(1),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `job` on a thread of the pool. Never blocks; jobs start in the order in which they came.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        state.queue.push_back(Box::new(job));
        state.unfinished += 1;
        if state.idle > 0 && state.queue.len() <= state.idle {
            self.shared.work.notify_one();
        } else if state.threads < self.shared.max_threads {
            state.threads += 1;
            let shared = self.shared.clone();
            let spawned = std::thread::Builder::new().name("disk".to_owned()).spawn(move || shared.serve());
            if let Err(error) = spawned {
                // Without any thread the work is done here: slow is better than never.
                state.threads -= 1;
                if state.threads == 0 {
                    tracing::warn!("no thread for disk work ({error}); doing it in place");
                    while let Some(job) = state.queue.pop_front() {
                        drop(state);
                        job();
                        state = self.shared.lock();
                        state.unfinished -= 1;
                    }
                    self.shared.done.notify_all();
                }
            }
        }
    }

    /// Waits until everything that was given has run, or for `at_most`. Whether all has run.
    pub fn drain(&self, at_most: Duration) -> bool {
        let state = self.shared.lock();
        let (_state, waited) = self
            .shared
            .done
            .wait_timeout_while(state, at_most, |state| state.unfinished > 0)
            .unwrap_or_else(PoisonError::into_inner);
        !waited.timed_out()
    }

    /// Threads that exist now.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.lock().threads
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A job's panic ends the process; in tests, where it does not, the queue itself is still sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                job();
                state = self.lock();
                state.unfinished -= 1;
                if state.unfinished == 0 {
                    self.done.notify_all();
                }
                continue;
            }
            state.idle += 1;
            let (woken, waited) = self.work.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_work_is_done_by_no_more_threads_than_allowed() {
        let pool = DiskPool::new(3);
        assert_eq!(pool.threads(), 0);
        let count = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let count = count.clone();
            pool.run(move || {
                count.fetch_add(1, Ordering::Relaxed);
            });
        }
        assert!(pool.drain(Duration::from_secs(30)));
        assert_eq!(count.load(Ordering::Relaxed), 1000);
        assert!(pool.threads() <= 3);
    }

    #[test]
    fn work_runs_beside_work_that_hangs() {
        let pool = DiskPool::new(2);
        let (release, hang) = std::sync::mpsc::channel::<()>();
        pool.run(move || {
            let _ = hang.recv();
        });
        let (done, wait) = std::sync::mpsc::channel();
        pool.run(move || done.send(()).unwrap());
        wait.recv_timeout(Duration::from_secs(30)).expect("the second job must not wait for the first");
        assert!(!pool.drain(Duration::from_millis(1)));
        drop(release);
        assert!(pool.drain(Duration::from_secs(30)));
    }
}
