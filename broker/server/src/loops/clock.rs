//! The real clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use odradek_core::time::Now;
use tokio::time::Instant;

/// Gives [`Now`]; all loops of one process share one, so that their monotonic times can be compared.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts at 0 now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        // A wall clock before 1970 is as wrong as one that says 1970.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono_ms: u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// When the monotonic time will be `mono_ms`. `None`: never, it is too far away to be told.
    #[must_use]
    pub fn instant(&self, mono_ms: u64) -> Option<Instant> {
        self.start.checked_add(Duration::from_millis(mono_ms))
    }
}
