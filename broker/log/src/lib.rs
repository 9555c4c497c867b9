//! The log on disk: segments, indexes, recovery, retention and producer state over one Disk trait.
