//! Whether a log directory takes records: a disk that is nearly full, or that refused a write, takes none until it has
//! room again.
//!
//! What cannot be written here can be written by another replica: the broker gives such partitions up at once, instead
//! of letting every acks=all write wait for the time-out of the in-sync set. Reads, checkpoints and deletions go on in
//! the bytes that are kept back for them.

/// A directory that refused a write is looked at again after this, in milliseconds, even when it seems to have room.
const REFUSED_MS: u64 = 5_000;

/// The room in one log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirRoom {
    /// Bytes that stay free.
    reserve: u64,
    closed: bool,
    /// A write was refused: closed until then, whatever is measured.
    refused_until: Option<u64>,
}

/// What a look at a directory changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomChange {
    /// It takes no records from now on.
    Closed,
    /// It takes records again.
    Opened,
}

impl LogDirRoom {
    /// A directory in which `reserve` bytes stay free (`odradek.log.dir.reserve.bytes`).
    #[must_use]
    pub fn new(reserve: u64) -> LogDirRoom {
        LogDirRoom { reserve, closed: false, refused_until: None }
    }

    /// Whether it takes records.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// So many bytes are free. It closes below the reserve, and opens at one and a half of it, so that it does not
    /// open for a moment only.
    pub fn measured(&mut self, now_ms: u64, free: u64) -> Option<RoomChange> {
        if self.refused_until.is_some_and(|until| now_ms >= until) {
            self.refused_until = None;
        }
        let enough = self.reserve + self.reserve / 2;
        let closed = self.refused_until.is_some() || free < if self.closed { enough } else { self.reserve };
        let change = match (self.closed, closed) {
            (false, true) => Some(RoomChange::Closed),
            (true, false) => Some(RoomChange::Opened),
            _ => None,
        };
        self.closed = closed;
        change
    }

    /// The disk refused a write.
    pub fn refused(&mut self, now_ms: u64) -> Option<RoomChange> {
        self.refused_until = Some(now_ms + REFUSED_MS);
        (!std::mem::replace(&mut self.closed, true)).then_some(RoomChange::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_closes_below_the_reserve_and_opens_well_above() {
        let mut room = LogDirRoom::new(100);
        assert_eq!(room.measured(0, 100), None);
        assert_eq!(room.measured(1, 99), Some(RoomChange::Closed));
        assert_eq!(room.measured(2, 149), None);
        assert!(!room.is_open());
        assert_eq!(room.measured(3, 150), Some(RoomChange::Opened));
        assert_eq!(room.measured(4, 100), None);
        assert!(room.is_open());
    }

    #[test]
    fn a_refused_write_closes_it_for_a_while() {
        let mut room = LogDirRoom::new(0);
        assert_eq!(room.measured(0, 0), None, "without a reserve only the disk says no");
        assert_eq!(room.refused(10), Some(RoomChange::Closed));
        assert_eq!(room.refused(20), None);
        assert_eq!(room.measured(5_019, u64::MAX), None);
        assert_eq!(room.measured(5_020, u64::MAX), Some(RoomChange::Opened));
    }
}
