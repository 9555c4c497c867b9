//! Answers into one socket, in the order that the service asks for.

use std::io;
use std::pin::pin;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use odradek_wire::request::RequestHeader;
use odradek_wire::response::EncodeError;
use tokio::sync::mpsc;

use super::replies::Expected;
use super::send::Sender;
use super::service::{Outgoing, Part, Service};

/// Bytes of answers that are ready and gathered before they are sent, at most: latency over system calls.
const TOGETHER: usize = 64 * 1024;

/// Why no further answer is written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteEnd {
    /// Every request was answered, and no further one comes.
    #[error("all is answered")]
    Done,
    /// An answer said so.
    #[error("the answer is to close the connection")]
    Close,
    /// The loop ended without an answer.
    #[error("the node is stopping")]
    LoopEnded,
    /// An answer has no bytes: a fault of this process.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The connection broke, or a file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An answer's place in the order of a connection.
pub(super) enum Slot<R> {
    /// The loop has the request.
    Asked(RequestHeader, Expected<R>),
    /// The answer is there.
    Ready(bytes::Bytes),
}

/// Writes the answers of one connection.
pub(super) struct Writer<'a, S: Service> {
    pub(super) service: &'a S,
    pub(super) sender: Sender<'a>,
}

impl<S: Service> Writer<'_, S> {
    /// Runs until the requests end or the connection does.
    pub(super) async fn run(mut self, slots: &mut mpsc::Receiver<Slot<S::Reply>>) -> WriteEnd {
        let result = if S::IN_ORDER { self.in_order(slots).await } else { self.as_answered(slots).await };
        let Err(end) = result else { return WriteEnd::Done };
        end
    }

    async fn in_order(&mut self, slots: &mut mpsc::Receiver<Slot<S::Reply>>) -> Result<(), WriteEnd> {
        loop {
            let slot = match slots.try_recv() {
                Ok(slot) => slot,
                Err(_) => {
                    self.sender.flush().await?;
                    match slots.recv().await {
                        Some(slot) => slot,
                        None => return Ok(()),
                    }
                }
            };
            match slot {
                Slot::Ready(frame) => self.sender.push(Part::Bytes(frame)).await?,
                Slot::Asked(header, mut expected) => {
                    let reply = match expected.now() {
                        Some(reply) => Some(reply),
                        None => {
                            self.sender.flush().await?;
                            expected.await
                        }
                    };
                    self.answer(&header, reply).await?;
                }
            }
            if self.sender.size >= TOGETHER {
                self.sender.flush().await?;
            }
        }
    }

    async fn as_answered(&mut self, slots: &mut mpsc::Receiver<Slot<S::Reply>>) -> Result<(), WriteEnd> {
        let mut waiting = pin!(FuturesUnordered::new());
        let mut open = true;
        while open || !waiting.is_empty() {
            tokio::select! {
                slot = slots.recv(), if open => match slot {
                    Some(Slot::Ready(frame)) => self.sender.push(Part::Bytes(frame)).await?,
                    Some(Slot::Asked(header, expected)) => waiting.push(async move { (header, expected.await) }),
                    None => open = false,
                },
                Some((header, reply)) = waiting.next(), if !waiting.is_empty() => {
                    self.answer(&header, reply).await?;
                }
            }
            self.sender.flush().await?;
        }
        Ok(())
    }

    async fn answer(&mut self, header: &RequestHeader, reply: Option<S::Reply>) -> Result<(), WriteEnd> {
        self.sender.activity.answered();
        let Some(reply) = reply else { return Err(WriteEnd::LoopEnded) };
        match self.service.encode(header, reply)? {
            Outgoing::Frame(parts) => {
                for part in parts {
                    self.sender.push(part).await?;
                }
                Ok(())
            }
            Outgoing::Nothing => Ok(()),
            Outgoing::Close => {
                self.sender.flush().await?;
                Err(WriteEnd::Close)
            }
        }
    }
}
