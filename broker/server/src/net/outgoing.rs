//! Answers of the broker's loop to parts of frames.

use odradek_node::event::{FetchPayload, Response};
use odradek_wire::fetch::{Chunk, FetchResponse};
use odradek_wire::request::RequestHeader;
use odradek_wire::response::{self, EncodeError};

use super::service::{Outgoing, Part};

/// Encodes in the request's version.
pub(super) fn encode(header: &RequestHeader, reply: Response) -> Result<Outgoing, EncodeError> {
    match reply {
        Response::Kafka(kind) => {
            let frame = response::encode(header.api_version, header.correlation_id, &kind)?;
            Ok(Outgoing::Frame(vec![Part::Bytes(frame)]))
        }
        Response::Fetch(fetch) => Ok(Outgoing::Frame(fetched(header, *fetch)?)),
        Response::Nothing => Ok(Outgoing::Nothing),
        Response::Close => Ok(Outgoing::Close),
    }
}

fn fetched(header: &RequestHeader, fetch: FetchResponse<FetchPayload>) -> Result<Vec<Part>, EncodeError> {
    let chunks = fetch.encode(header.api_version, header.correlation_id)?;
    let mut parts = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        match chunk {
            Chunk::Bytes(bytes) => parts.push(Part::Bytes(bytes)),
            Chunk::Records(records) => parts.extend(records.ranges.into_iter().map(Part::File)),
        }
    }
    Ok(parts)
}
