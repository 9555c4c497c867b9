//! Bytes only: framing, the version table, record batches and the codecs of the hot path.
