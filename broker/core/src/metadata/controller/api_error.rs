//! What is wrong with a part of a client's request.

use odradek_wire::ResponseError;
use odradek_wire::protocol::StrBytes;

/// Kafka's code, with a sentence for a person.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) error: ResponseError,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(error: ResponseError, message: impl Into<String>) -> ApiError {
        ApiError { error, message: message.into() }
    }

    pub(super) fn code(&self) -> i16 {
        self.error.code()
    }

    pub(super) fn text(&self) -> StrBytes {
        StrBytes::from_string(self.message.clone())
    }

    /// Kafka's sentence for a topic that is not there.
    pub(super) fn unknown_topic() -> ApiError {
        ApiError::new(ResponseError::UnknownTopicOrPartition, "This server does not host this topic-partition.")
    }

    /// Both halves of a response: the code (0 when all is well) and the sentence.
    pub(super) fn split(result: &Result<(), ApiError>) -> (i16, Option<StrBytes>) {
        match result {
            Ok(()) => (0, None),
            Err(error) => (error.code(), Some(error.text())),
        }
    }
}
