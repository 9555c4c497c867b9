//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pauses between two looks: a twentieth of what was waited already, within these bounds. A look can be a process of its
/// own, and should not be what the machine is busy with.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(500);

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
            Err(_) => std::thread::park_timeout((began.elapsed() / 20).clamp(SHORTEST, LONGEST)),
        }
    }
}
