//! When a reconcile that failed is tried again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand::RngExt;

/// First wait after a failure.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(120);

/// Failures in a row of each object. Waits double, with jitter, so that objects that failed together
/// are not tried together.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// How long to wait after one more failure of an object.
    pub fn failed(&self, key: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.to_owned()).or_default();
        let wait = FIRST.saturating_mul(1 << (*count).min(16)).min(LONGEST);
        *count = count.saturating_add(1);
        jitter(wait)
    }

    /// Forgets the failures of an object that is well, or gone.
    pub fn succeeded(&self, key: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Longest wait between two looks at something that has yet to come about.
const LONGEST_LOOK: Duration = Duration::from_secs(15);

/// How long the same thing was waited for, by who waits. Another reason starts anew: something moves.
#[derive(Debug, Default)]
pub struct Patience {
    looks: Mutex<HashMap<String, (String, u32)>>,
}

impl Patience {
    /// How long to wait before the next look.
    pub fn wait(&self, key: &str, why: &str) -> Duration {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = looks.entry(key.to_owned()).or_default();
        if last != why {
            (*last, *count) = (why.to_owned(), 0);
        }
        let wait = FIRST.mul_f64(1.5_f64.powi((*count).min(30).cast_signed())).min(LONGEST_LOOK);
        *count = count.saturating_add(1);
        wait
    }

    /// Nothing is waited for any more.
    pub fn over(&self, key: &str) {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// A time between three quarters and five quarters of another.
pub fn jitter(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rare_until_something_moves() {
        let patience = Patience::default();
        let waits: Vec<Duration> = (0..20).map(|_| patience.wait("a", "x")).collect();
        assert_eq!((waits[0], waits[19]), (FIRST, LONGEST_LOOK));
        assert_eq!(patience.wait("a", "y"), FIRST);
        assert!(patience.wait("a", "y") > FIRST);
        patience.over("a");
        assert_eq!(patience.wait("a", "y"), FIRST);
    }

    #[test]
    fn waits_grow_to_a_bound_and_start_again() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.failed("a")).collect();
        assert!(waits[0] < Duration::from_secs(1));
        assert!(waits[19] >= LONGEST.mul_f64(0.75) && waits[19] <= LONGEST.mul_f64(1.25));
        assert!(backoff.failed("b") < Duration::from_secs(1));
        backoff.succeeded("a");
        assert!(backoff.failed("a") < Duration::from_secs(1));
    }
}
