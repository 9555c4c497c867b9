//! The rules for topic names.
