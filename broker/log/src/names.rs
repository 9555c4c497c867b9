//! Names of files and folders, as Kafka has them.

use std::path::{Path, PathBuf};

/// Suffix of a file that waits for its removal.
pub(crate) const DELETED: &str = ".deleted";
/// Suffix of the output of a compaction that did not end.
pub(crate) const CLEANED: &str = ".cleaned";
/// Suffix of the output of a compaction that had ended, and was being put in place.
pub(crate) const SWAP: &str = ".swap";
/// Leader epochs of a log.
pub(crate) const EPOCHS: &str = "leader-epoch-checkpoint";

/// The files that begin with a segment's base offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Record batches.
    Log,
    /// Offset index.
    Index,
    /// Time index.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// Producers.
    Snapshot,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Kind::Log => "log",
            Kind::Index => "index",
            Kind::TimeIndex => "timeindex",
            Kind::TxnIndex => "txnindex",
            Kind::Snapshot => "snapshot",
        }
    }
}

/// `00000000000000000042.log` in `dir`.
pub(crate) fn file(dir: &Path, base: i64, kind: Kind) -> PathBuf {
    dir.join(format!("{base:020}.{}", kind.suffix()))
}

/// The path with `suffix` at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Base offset and kind of a file name, if it is one of ours.
pub(crate) fn parse_file(name: &str) -> Option<(i64, Kind)> {
    let (digits, suffix) = name.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let base = digits.parse().ok()?;
    let kind = match suffix {
        "log" => Kind::Log,
        "index" => Kind::Index,
        "timeindex" => Kind::TimeIndex,
        "txnindex" => Kind::TxnIndex,
        "snapshot" => Kind::Snapshot,
        _ => return None,
    };
    Some((base, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_go_both_ways() {
        let path = file(Path::new("d"), 42, Kind::TimeIndex);
        assert_eq!(path, Path::new("d/00000000000000000042.timeindex"));
        assert_eq!(parse_file("00000000000000000042.timeindex"), Some((42, Kind::TimeIndex)));
        assert_eq!(parse_file("09223372036854775807.log"), Some((i64::MAX, Kind::Log)));
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "42.log",
            "00000000000000000042.log.deleted",
            "99999999999999999999.log",
            "-0000000000000000042.log",
            "0000000000000000004x.log",
            "leader-epoch-checkpoint",
            "",
            ".log",
        ] {
            assert_eq!(parse_file(name), None, "{name}");
        }
    }
}
