//! The active controller's decisions.
//!
//! A [`Controller`] lives as long as its node is the active controller, and is dropped when the
//! node stops to be. It decides on a *speculative* image: the committed one and every record
//! that it decided since. The node's controller loop must therefore
//!
//! - build it from an image to which all committed entries are applied;
//! - propose the records of one [`Decision`] (and of one [`Controller::tick`]) as one entry, in
//!   the order in which they came, and drop the controller (and resign) if a proposal fails or
//!   gets another offset than `offset_hint`;
//! - send a [`Decision::response`] only once its entry is committed; one without records once
//!   every entry proposed before is.

mod config;

pub use config::ControllerConfig;

use super::image::Image;
use super::record::Record;
use super::rpc::{ControllerRequest, ControllerResponse};
use crate::time::Now;

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// To be proposed as one entry; may be empty.
    pub records: Vec<Record>,
    /// What the asker is told once the records, and all that were proposed before, are committed.
    pub response: ControllerResponse,
}

/// The active controller.
#[derive(Debug)]
pub struct Controller {
    image: Image,
    config: ControllerConfig,
}

impl Controller {
    /// The controller of a node that just became active. Every unfenced broker gets a full
    /// session from `now` on.
    #[must_use]
    pub fn new(image: Image, config: ControllerConfig, now: Now) -> Controller {
        let _ = now;
        Controller { image, config }
    }

    /// Decides on a request. `offset_hint` is the offset that the records will have: the log's
    /// next one.
    ///
    /// [`super::rpc::Request::FetchMetadata`] and [`super::rpc::Request::Raft`] are the loop's
    /// own business: here they are answered with INVALID_REQUEST.
    pub fn handle(&mut self, now: Now, offset_hint: u64, request: &ControllerRequest) -> Decision {
        let _ = (now, offset_hint, request, &self.config);
        Decision {
            records: Vec::new(),
            response: ControllerResponse::not_controller(-1),
        }
    }

    /// What is due at `now`: the first records of a new cluster, expired sessions, elections.
    /// `offset_hint` as in [`Controller::handle`].
    pub fn tick(&mut self, now: Now, offset_hint: u64) -> Vec<Record> {
        let _ = (now, offset_hint);
        Vec::new()
    }

    /// When [`Controller::tick`] is due next, on the monotonic clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// The last connection of a broker broke. It is fenced if neither a heartbeat nor a
    /// registration comes within [`ControllerConfig::disconnect_grace_ms`].
    pub fn broker_disconnected(&mut self, now: Now, broker_id: i32) {
        let _ = (now, broker_id);
    }

    /// The image with everything that was decided, committed or not.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }
}
