//! Whole clusters in one thread: virtual time, seeded faults, invariants.
