//! What enters the controller's loop, and what leaves it.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_core::metadata::rpc::{ControllerRequest, ControllerResponse};
use odradek_quorum::Endpoint;

use crate::event::RequestId;

/// What happens to a controller.
#[derive(Debug)]
pub enum ControllerEvent {
    /// A broker's or another controller's request.
    Request {
        /// The answer names it.
        request: RequestId,
        /// Where it came from; gone with [`ControllerEvent::ConnectionClosed`].
        connection: u64,
        /// What is asked.
        body: ControllerRequest,
    },
    /// No request of that connection needs an answer any more. When a broker sent its heartbeats over it, the broker
    /// may be gone, and has to show up soon.
    ConnectionClosed {
        /// As in [`ControllerEvent::Request`].
        connection: u64,
    },
    /// [`odradek_core::metadata::rpc::RaftRequest::message`] from another controller, where the shell has no request
    /// to answer.
    PeerMessage {
        /// Who says that it sent it.
        from: u64,
        /// The message.
        message: Bytes,
    },
    /// Messages to another controller may have been lost: the connection to it broke.
    PeerUnreachable {
        /// Its node id.
        peer: u64,
    },
    /// SIGTERM: hand leadership over, then [`ControllerCommand::Stopped`].
    Shutdown,
    /// [`super::ControllerNode::next_deadline`] was reached.
    Timer,
}

/// What the controller wants done.
#[derive(Debug)]
pub enum ControllerCommand {
    /// Answer a request.
    Reply {
        /// Which one.
        request: RequestId,
        /// With what.
        response: ControllerResponse,
    },
    /// Send to another controller. One-way: its answer is of no interest, and losing it is no harm; the order between
    /// messages to one controller should be kept.
    Send {
        /// Its node id.
        to: u64,
        /// A [`odradek_core::metadata::rpc::Request::Raft`].
        message: ControllerRequest,
    },
    /// Send to one of `controller.quorum.bootstrap.servers`, whoever answers there. As [`ControllerCommand::Send`].
    Probe {
        /// Which one, from 0, in the order of the configuration.
        server: usize,
        /// A [`odradek_core::metadata::rpc::Request::Raft`].
        message: ControllerRequest,
    },
    /// Where the other controllers listen now, by node id: all that are known.
    Controllers(BTreeMap<u64, Vec<Endpoint>>),
    /// The controller cannot go on: nothing it says from now on counts.
    Fatal {
        /// For the log and standard error.
        reason: String,
        /// 2 for identity and configuration, 1 for the rest.
        exit_code: i32,
    },
    /// After [`ControllerEvent::Shutdown`]: the process may end.
    Stopped,
}
