//! The time that events carry.

/// The moment at which an event is handled, given by the shell (or by the simulator).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Milliseconds of a clock that never goes back; its zero has no meaning. Deadlines use it.
    pub mono_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z; may jump either way. Only timestamps use it.
    pub wall_ms: i64,
}

impl Now {
    /// A moment from both clocks.
    #[must_use]
    pub fn new(mono_ms: u64, wall_ms: i64) -> Now {
        Now { mono_ms, wall_ms }
    }
}
