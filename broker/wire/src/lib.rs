//! Bytes only: framing, the version table, record batches and the codecs of the hot path.
//!
//! Nothing here opens a socket or a file, reads a clock, or keeps state between calls: bytes and
//! values come in, bytes and values go out. Every decoder takes bytes of strangers: a broken
//! length, a wrong checksum or an unknown version is an error value, never a panic and never an
//! allocation that the sender chose.
//!
//! - [`frame`]: the four length bytes around every request and response.
//! - [`versions`]: which API keys and versions each kind of listener serves.
//! - [`request`], [`response`]: one frame to one message and back.
//! - [`codes`]: names of error codes.
//! - [`features`]: the levels of `metadata.version`.
//! - [`batch`]: record batches (format v2), looked at without copying them.
//! - [`produce`], [`fetch`]: own codecs for the two requests that carry records.

pub mod batch;
pub mod codes;
pub mod features;
pub mod fetch;
pub mod frame;
pub mod guard;
pub mod primitive;
pub mod produce;
pub mod request;
pub mod response;
pub mod versions;

pub use kafka_protocol::{error::ResponseError, messages, protocol};
