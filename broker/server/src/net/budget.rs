//! Memory for requests in flight.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one permit stands for.
const UNIT: usize = 1024;

/// Bounds the memory of large requests (`queued.max.request.bytes`): room is taken before a frame is read, and given
/// back when the last slice of it is dropped, wherever that is. While there is none, sockets are not read.
#[derive(Debug, Clone)]
pub struct Budget {
    permits: Arc<Semaphore>,
    total: usize,
}

impl Budget {
    /// Room for `bytes`, or for one frame of `largest` bytes if that is more; `None`: for two of the largest.
    pub fn new(bytes: Option<usize>, largest: usize) -> Self {
        let bytes = bytes.unwrap_or_else(|| largest.saturating_mul(2)).max(largest);
        let total = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { permits: Arc::new(Semaphore::new(total)), total }
    }

    /// Bytes that are free.
    pub fn free(&self) -> usize {
        self.permits.available_permits() * UNIT
    }

    /// Waits for room for `bytes`, in the order of asking.
    pub(super) async fn take(&self, bytes: usize) -> Room {
        let units = bytes.div_ceil(UNIT).min(self.total) as u32;
        // The semaphore is never closed: without a permit there would be nothing to bound, not a request to refuse.
        Room { permit: self.permits.clone().acquire_many_owned(units).await.ok() }
    }
}

/// Room that was taken.
#[derive(Debug)]
pub(super) struct Room {
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Binds the room to the bytes that it was taken for.
    pub(super) fn hold(self, bytes: BytesMut) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: self.permit })
    }
}

struct Held {
    bytes: BytesMut,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
