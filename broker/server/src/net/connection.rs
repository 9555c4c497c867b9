//! One connection, from accept to close.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use odradek_wire::request::{DecodeError, RequestHeader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::activity::Activity;
use super::budget::Budget;
use super::read::{FrameReader, ReadError};
use super::replies::Replies;
use super::send::Sender;
use super::service::{ConnectionInfo, Incoming, Service};
use super::write::{Slot, WriteEnd, Writer};
use crate::loops::LoopEnded;
use crate::metrics::Traffic;

/// Requests of one connection that may wait for answers; Kafka's producers send five at once.
const PIPELINED: usize = 32;

/// What all connections of a listener share.
pub(super) struct Shared<S: Service> {
    pub(super) service: S,
    pub(super) replies: Arc<Replies<S::Reply>>,
    pub(super) budget: Budget,
    pub(super) traffic: Traffic,
    /// `socket.request.max.bytes`.
    pub(super) max_frame: usize,
    /// `connections.max.idle.ms`.
    pub(super) max_idle: Option<Duration>,
}

/// Why a connection was closed by this side.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer closed it")]
    PeerClosed,
    #[error("nothing happened for connections.max.idle.ms")]
    Idle,
    #[error("the node is stopping")]
    Stopping,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Write(#[from] WriteEnd),
}

impl From<LoopEnded> for End {
    fn from(_: LoopEnded) -> Self {
        End::Stopping
    }
}

/// Serves one connection until it ends. `stop` turns true when no further request is to be read: what was asked is
/// answered first.
pub(super) async fn serve<S: Service>(
    stream: TcpStream,
    info: ConnectionInfo,
    shared: &Shared<S>,
    stop: watch::Receiver<bool>,
) {
    shared.traffic.connection_opened();
    let end = run(&stream, &info, shared, stop).await;
    tell(&info, &end);
    drop(stream);
    shared.service.closed(info.id).await;
    shared.traffic.connection_closed();
}

async fn run<S: Service>(
    stream: &TcpStream,
    info: &ConnectionInfo,
    shared: &Shared<S>,
    mut stop: watch::Receiver<bool>,
) -> End {
    let activity = Activity::new();
    let (slots, mut queue) = mpsc::channel(PIPELINED);
    let traffic = &shared.traffic;
    let reader = FrameReader {
        stream,
        max: shared.max_frame,
        budget: &shared.budget,
        activity: &activity,
        traffic,
        buffer: BytesMut::new(),
    };
    let sender = Sender { stream, activity: &activity, traffic, gathered: VecDeque::new(), size: 0 };
    let writer = Writer { service: &shared.service, sender };
    let mut write = std::pin::pin!(writer.run(&mut queue));
    let ended = tokio::select! {
        end = read(reader, info, shared, slots) => end,
        end = &mut write => end.into(),
        () = activity.idle(shared.max_idle) => End::Idle,
        () = stopped(&mut stop) => End::Stopping,
    };
    if matches!(ended, End::Stopping) {
        // The reader is gone, and with it the way into the queue: this ends with the last answer.
        write.await;
    }
    ended
}

/// Waits for the signal to stop, or for the end of the listeners.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// Hands requests to the loop until there are no more.
async fn read<S: Service>(
    mut reader: FrameReader<'_>,
    info: &ConnectionInfo,
    shared: &Shared<S>,
    slots: mpsc::Sender<Slot<S::Reply>>,
) -> End {
    loop {
        let frame = match reader.next().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::PeerClosed,
            Err(error) => return error.into(),
        };
        // The place in the order first: an answer may come before this task is scheduled again.
        let Ok(place) = slots.reserve().await else { return End::Stopping };
        match shared.service.decode(frame) {
            Ok(Incoming::Answered(frame)) => place.send(Slot::Ready(frame)),
            Ok(Incoming::Ask(header, request)) => {
                let (id, expected) = shared.replies.expect_one();
                reader.activity.asked();
                // The client's name is a slice of the frame, whose memory need not wait for the answer.
                place.send(Slot::Asked(RequestHeader { client_id: None, ..header.clone() }, expected));
                if let Err(ended) = shared.service.submit(id, info, &header, request).await {
                    return ended.into();
                }
            }
            Err(error) => return error.into(),
        }
    }
}

/// What is worth a line: a peer that breaks the protocol is; one that leaves is not.
fn tell(info: &ConnectionInfo, end: &End) {
    let (peer, listener) = (info.peer, &info.listener);
    match end {
        End::Read(ReadError::Io(_)) | End::PeerClosed | End::Idle | End::Stopping => {
            tracing::debug!(%peer, %listener, "connection closed: {end}");
        }
        End::Write(WriteEnd::Encode(_)) => tracing::error!(%peer, %listener, "connection closed: {end}"),
        End::Write(WriteEnd::Io(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            tracing::warn!(%peer, %listener, "connection closed: {end}");
        }
        End::Write(_) => tracing::debug!(%peer, %listener, "connection closed: {end}"),
        End::Read(_) | End::Decode(_) => tracing::warn!(%peer, %listener, "connection closed: {end}"),
    }
}
