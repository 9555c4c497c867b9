//! The controller's part of a process.

use std::sync::Arc;
use std::time::Duration;

use odradek_node::controller::{ControllerEvent, ControllerNode};
use odradek_node::event::ListenerRole;

use super::{Failure, Shared};
use crate::identity::Identity;
use crate::loops::controller::ControllerLoop;
use crate::loops::{ControllerHandle, controller};
use crate::net::{Bound, ControllerOut, ControllerService, Listeners, Replies};
use crate::node_config;

/// For answers that were given just before the loop ended.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// Its sockets have their ports.
pub(super) struct BoundController {
    listeners: Listeners,
    bound: Vec<Bound>,
}

/// Its loop runs and its listeners serve.
pub(super) struct Running {
    pub(super) handle: ControllerHandle,
    listeners: Listeners,
}

/// Binds its listeners; `None` when this process is no controller.
pub(super) async fn bind(shared: &Shared) -> Result<Option<BoundController>, Failure> {
    if !shared.config.node.controller {
        return Ok(None);
    }
    let listeners = Listeners::new(shared.sockets.clone());
    let mut bound = Vec::new();
    for listener in &shared.config.listeners.controller {
        bound.push(super::bind(&listeners, listener).await?);
    }
    Ok(Some(BoundController { listeners, bound }))
}

impl BoundController {
    /// Opens the metadata log, starts the loop, serves.
    pub(super) fn start(mut self, shared: &Shared, identity: &Identity) -> Result<Running, Failure> {
        let dir = identity.metadata_dir.as_ref().ok_or_else(|| Failure::runtime("a controller without a folder"))?;
        let settings =
            node_config::controller(&shared.config, identity.cluster_id.clone(), &dir.path, *dir.id.as_bytes());
        let node = ControllerNode::open(settings, shared.disk.clone(), shared.clock.now(), super::seed()).map_err(
            |error| Failure { reason: error.to_string(), exit_code: u8::try_from(error.exit_code()).unwrap_or(1) },
        )?;
        let (handle, inbox) = controller::channel(shared.config.network.queued_max_requests);
        let replies = Arc::new(Replies::default());
        let outbox = ControllerOut::new(replies.clone(), shared.peers.clone(), handle.clone(), shared.runtime.clone());
        let work = ControllerLoop {
            node,
            inbox,
            outbox: Box::new(outbox),
            // The broker's loop learns the cluster's id in time too, and has no other folders than these then.
            unnamed: identity.unnamed(),
            clock: shared.clock,
            runtime: shared.runtime.clone(),
        };
        super::spawn("controller", shared.ended.clone(), move || work.run())?;
        for bound in self.bound {
            self.listeners.serve(
                bound,
                ListenerRole::InterBroker,
                ControllerService::new(handle.clone(), shared.peers.clone()),
                replies.clone(),
            );
        }
        Ok(Running { handle, listeners: self.listeners })
    }
}

impl Running {
    /// Hands the leadership of the quorum over, and ends the loop.
    pub(super) async fn shut_down(&self) {
        // A loop that has ended told so already.
        self.handle.send(ControllerEvent::Shutdown).await.ok();
    }

    /// Closes the connections. Nobody answers any more; what the loop answered last gets a moment to leave.
    pub(super) async fn close(self) {
        tokio::time::sleep(LAST_WORDS).await;
        drop(self.listeners);
    }
}
