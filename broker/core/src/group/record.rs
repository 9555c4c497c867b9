//! The records of `__consumer_offsets`.

/// Why a record of `__consumer_offsets` was left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The key or the value ends before its fields do.
    #[error("record is cut: {0} is missing")]
    Cut(&'static str),
}
