//! Features and their levels (KIP-584, KIP-778): which levels of `metadata.version` there are, and which release reads
//! which.
//!
//! The level says which records the controllers may write. It has Kafka's number and Kafka's name, so that
//! `kafka-features` prints it and takes it; what it stands for in the metadata log is Odradek's own. A release reads
//! every level from [`MetadataVersion::MINIMUM`] to its newest.

use std::fmt;
use std::ops::RangeInclusive;

/// The name of the feature whose level says which records may be written.
pub const METADATA_VERSION: &str = "metadata.version";

/// This release. A build with the feature `previous-release` calls itself, and behaves like, the one before it.
pub const RELEASE: &str = if cfg!(feature = "previous-release") { PREVIOUS_RELEASE } else { env!("CARGO_PKG_VERSION") };

/// The release before.
pub const PREVIOUS_RELEASE: &str = "0.0.9";

/// Every level, from the first on: its number, its name, and the first release that has it (major, minor, patch).
const LEVELS: [(MetadataVersion, &str, [u64; 3]); 2] =
    [(MetadataVersion::IV0_4_1, "4.1-IV0", [0, 0, 0]), (MetadataVersion::IV1_4_1, "4.1-IV1", [0, 1, 0])];

/// A level of [`METADATA_VERSION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(i16);

impl MetadataVersion {
    /// The first one.
    pub const IV0_4_1: MetadataVersion = MetadataVersion(26);
    /// The changes of one topic's partitions go into one record.
    pub const IV1_4_1: MetadataVersion = MetadataVersion(27);

    /// The least that this release reads.
    pub const MINIMUM: MetadataVersion = MetadataVersion::IV0_4_1;
    /// The newest that this release reads and writes: where new clusters start.
    pub const LATEST: MetadataVersion =
        if cfg!(feature = "previous-release") { MetadataVersion::IV0_4_1 } else { MetadataVersion::IV1_4_1 };

    /// Every level that this source knows of, with its name.
    pub fn all() -> impl Iterator<Item = MetadataVersion> {
        LEVELS.iter().map(|(version, ..)| *version)
    }

    /// Every level that this release reads.
    pub fn readable() -> impl Iterator<Item = MetadataVersion> {
        MetadataVersion::all().filter(|version| *version <= MetadataVersion::LATEST)
    }

    /// The level with this number; `None` when there is none, or this release does not read it.
    #[must_use]
    pub fn from_level(level: i16) -> Option<MetadataVersion> {
        MetadataVersion::readable().find(|version| version.0 == level)
    }

    /// The level with this name, such as `4.1-IV1`; `4.1` is the last one of 4.1, as Kafka has it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<MetadataVersion> {
        let is_it = |known: &str| known == name || known.split_once("-IV").is_some_and(|(of, _)| of == name);
        LEVELS.iter().rev().find(|(_, known, _)| is_it(known)).map(|(version, ..)| *version)
    }

    /// Kafka's number.
    #[must_use]
    pub const fn level(self) -> i16 {
        self.0
    }

    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        LEVELS.iter().find(|(version, ..)| *version == self).map_or("unknown", |(_, name, _)| *name)
    }

    /// The newest level that a release reads and writes, by its version, such as `0.1.0`, `v0.1.0` or `0.1.0-rc.1`.
    /// `None` for what is no version, such as `dev`: nobody knows then. A release that is newer than this one reads at
    /// least what this one does.
    #[must_use]
    pub fn newest_of_release(version: &str) -> Option<MetadataVersion> {
        let release = numbers(version)?;
        LEVELS.iter().rev().find(|(.., since)| *since <= release).map(|(level, ..)| *level)
    }

    /// The first release that reads this level.
    #[must_use]
    pub fn since(self) -> String {
        let [major, minor, patch] =
            LEVELS.iter().find(|(version, ..)| *version == self).map_or([0, 0, 0], |(.., since)| *since);
        format!("{major}.{minor}.{patch}")
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The levels of [`METADATA_VERSION`] that this release supports, as Kafka's numbers.
#[must_use]
pub fn supported() -> RangeInclusive<i16> {
    MetadataVersion::MINIMUM.0..=MetadataVersion::LATEST.0
}

/// The features that are on, as ApiVersions tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalizedFeatures {
    /// Grows with what is told; `None` while nothing is known.
    pub epoch: Option<i64>,
    /// Names and levels, by name.
    pub levels: Vec<(String, i16)>,
}

/// Major, minor and patch; what follows them is not looked at.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.strip_prefix('v').unwrap_or(version).split(['-', '+']).next()?;
    let mut parts = core.split('.');
    let mut next = || parts.next()?.parse().ok();
    let numbers = [next()?, next()?, next()?];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_kafkas() {
        for (level, name) in [(26, "4.1-IV0"), (27, "4.1-IV1")] {
            let version = MetadataVersion::from_name(name).expect("a known one");
            assert_eq!((version.level(), version.to_string().as_str()), (level, name));
            assert_eq!(MetadataVersion::from_level(level).is_some(), supported().contains(&level));
        }
        assert_eq!(MetadataVersion::from_name("4.1"), Some(MetadataVersion::IV1_4_1));
        for unknown in ["4.0-IV3", "4", "4.1-", "4.1-IV", "27", ""] {
            assert_eq!(MetadataVersion::from_name(unknown), None, "{unknown}");
        }
        assert_eq!(MetadataVersion::from_level(25), None);
        assert_eq!(MetadataVersion::from_level(28), None);
    }

    #[test]
    fn levels_grow_and_so_do_their_releases() {
        assert!(LEVELS.is_sorted_by(|a, b| a.0 < b.0 && a.2 < b.2));
        assert_eq!(MetadataVersion::newest_of_release(RELEASE), Some(MetadataVersion::LATEST));
    }

    #[test]
    fn a_release_is_judged_by_its_numbers() {
        let newest = |version| MetadataVersion::newest_of_release(version).map(MetadataVersion::name);
        for version in ["0.0.9", "0.0.0", "v0.0.9-rc.1"] {
            assert_eq!(newest(version), Some("4.1-IV0"), "{version}");
        }
        for version in ["0.1.0", "v0.1.0", "0.1.0-rc.1", "0.1.7+build", "7.0.0"] {
            assert_eq!(newest(version), Some("4.1-IV1"), "{version}");
        }
        for unknown in ["dev", "latest", "0.1", "0.1.0.1", "0.x.0", ""] {
            assert_eq!(newest(unknown), None, "{unknown}");
        }
        assert_eq!(MetadataVersion::IV1_4_1.since(), "0.1.0");
    }
}
