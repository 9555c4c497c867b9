//! A client's admin request on its way to the active controller.

use prost::Message;

/// A client's admin request, as a broker passes it on.
#[derive(Clone, PartialEq, Message)]
pub struct ForwardRequest {
    /// Kafka's api key: CreateTopics (19), DeleteTopics (20), AlterConfigs (33),
    /// CreatePartitions (37), ElectLeaders (43), IncrementalAlterConfigs (44), and what else only
    /// the controllers answer.
    #[prost(int32, tag = "1")]
    pub api_key: i32,
    /// The version in which the body is encoded, and in which the answer will be.
    #[prost(int32, tag = "2")]
    pub api_version: i32,
    /// The request without its header.
    #[prost(bytes = "vec", tag = "3")]
    pub body: Vec<u8>,
    /// The client's id.
    #[prost(string, tag = "4")]
    pub client_id: String,
    /// The client's host.
    #[prost(string, tag = "5")]
    pub client_host: String,
}

/// The answer to a client's admin request.
#[derive(Clone, PartialEq, Message)]
pub struct ForwardResponse {
    /// 0, UNSUPPORTED_VERSION (35) or INVALID_REQUEST (42); then there is no body.
    #[prost(int32, tag = "1")]
    pub error_code: i32,
    /// The response without its header.
    #[prost(bytes = "vec", tag = "2")]
    pub body: Vec<u8>,
    /// What the answer speaks of is applied by whoever has applied this offset.
    #[prost(uint64, tag = "3")]
    pub metadata_offset: u64,
}
