//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Looks until `look` gives a value; what it says otherwise is in the error when the time is over.
///
/// # Errors
/// The last thing that `look` said.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> Result<T> {
    let began = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(why) if began.elapsed() >= within => bail!("{what}: not within {within:?}: {why}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(100)),
        }
    }
}
