//! The admin calls over odradek-client. Each subject's file has its own `impl` for it.

use odradek_client::Admin;

use super::{moves::SizesCache, topics::TopicBatches};

/// The admin calls of one cluster, over one shared connection; what waits for the quorum has one of its own, because
/// a broker answers each connection in order.
#[derive(Debug)]
pub struct LiveAdmin {
    pub(super) admin: Admin,
    pub(super) quorum: Admin,
    pub(super) topics: TopicBatches,
    pub(super) sizes: SizesCache,
}

impl LiveAdmin {
    /// Calls through a client. Has to be called within a Tokio runtime, which gets the tasks of the batches.
    pub fn new(admin: Admin) -> Self {
        LiveAdmin { topics: TopicBatches::start(&admin), quorum: admin.apart(), sizes: SizesCache::default(), admin }
    }
}
