//! One TCP connection: frames out, frames in, matched by correlation id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use odradek_wire::frame::FrameDecoder;
use odradek_wire::response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// Largest answer that is taken, in bytes: what a length field can say. Answers are as large as
/// the caller asked for (a fetch's limits), not as large as a request may be.
const MAX_RESPONSE: usize = i32::MAX as usize;

/// Frames that may wait for the socket before senders wait.
const SEND_QUEUE: usize = 64;

/// Bytes that are read at least at once.
const READ_CHUNK: usize = 16 * 1024;

/// Why a frame has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// The connection broke, and why.
    Disconnected(String),
    /// No answer within the bound.
    TimedOut,
}

/// An open connection. Clones share it; it closes with the last of them, or when it breaks.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    shared: Arc<Shared>,
    frames: mpsc::Sender<Bytes>,
    /// Tells the reader that all clones are gone.
    _open: Arc<CloseOnDrop>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    broken: watch::Sender<bool>,
    dropped: Notify,
}

#[derive(Debug)]
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

/// Who waits for which answer.
#[derive(Debug, Default)]
struct Waiting {
    // Looked up by id only, never walked in an order that matters.
    by_id: HashMap<i32, oneshot::Sender<Result<Bytes, TransportError>>>,
    /// Set once; nobody may wait after that.
    closed: Option<String>,
}

impl Transport {
    /// Runs a connection until it breaks or all clones are dropped.
    pub(crate) fn start(stream: TcpStream) -> Transport {
        let shared =
            Arc::new(Shared { waiting: Mutex::default(), broken: watch::Sender::new(false), dropped: Notify::new() });
        let (reader, writer) = stream.into_split();
        let (frames, queue) = mpsc::channel(SEND_QUEUE);
        tokio::spawn(read_loop(reader, shared.clone()));
        tokio::spawn(write_loop(writer, queue, shared.clone()));
        Transport { _open: Arc::new(CloseOnDrop(shared.clone())), shared, frames }
    }

    /// Whether it broke; it never mends.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.lock().closed.is_some()
    }

    /// Breaks the connection: all that wait fail at once.
    pub(crate) fn close(&self, reason: String) {
        self.shared.close(reason);
    }

    /// Waits until it breaks; returns why.
    pub(crate) async fn closed(&self) -> String {
        self.shared.broken().await;
        match self.shared.reason() {
            TransportError::Disconnected(reason) => reason,
            TransportError::TimedOut => String::new(),
        }
    }

    /// Queues a whole frame whose answer is of no interest; waits while the queue is full.
    pub(crate) async fn post(&self, frame: Bytes) -> Result<(), TransportError> {
        // Also when the writer has stopped: the channel closes with it.
        self.frames.send(frame).await.map_err(|_| self.shared.reason())
    }

    /// Sends a whole frame, whose request has `correlation_id`, and waits for the answer (its
    /// frame without the length). The id must not be in use by another request that waits here.
    pub(crate) async fn call(
        &self,
        frame: Bytes,
        correlation_id: i32,
        limit: Duration,
    ) -> Result<Bytes, TransportError> {
        let (sender, receiver) = oneshot::channel();
        self.shared.register(correlation_id, sender)?;
        // Forgets the entry also when the caller drops this future.
        let _entry = Entry { shared: &self.shared, correlation_id };
        let exchange = async {
            if self.frames.send(frame).await.is_err() {
                return Err(self.shared.reason());
            }
            receiver.await.unwrap_or_else(|_| Err(self.shared.reason()))
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::TimedOut),
        }
    }
}

struct Entry<'a> {
    shared: &'a Shared,
    correlation_id: i32,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.shared.lock().by_id.remove(&self.correlation_id);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // The map is whole at every point where a panic could be: the lock's poison says nothing.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, id: i32, sender: oneshot::Sender<Result<Bytes, TransportError>>) -> Result<(), TransportError> {
        let mut waiting = self.lock();
        if let Some(reason) = &waiting.closed {
            return Err(TransportError::Disconnected(reason.clone()));
        }
        waiting.by_id.insert(id, sender);
        Ok(())
    }

    fn reason(&self) -> TransportError {
        let reason = self.lock().closed.clone();
        TransportError::Disconnected(reason.unwrap_or_else(|| "it was closed".to_owned()))
    }

    /// Waits until the connection is closed, by whomever.
    async fn broken(&self) {
        // The sender lives in `self`: the error of a dropped one cannot be.
        let _ = self.broken.subscribe().wait_for(|broken| *broken).await;
    }

    /// Fails all that wait, and all that come later.
    fn close(&self, reason: String) {
        let mut waiting = self.lock();
        let reason = waiting.closed.get_or_insert(reason).clone();
        for (_, sender) in waiting.by_id.drain() {
            // The waiter may be gone.
            let _ = sender.send(Err(TransportError::Disconnected(reason.clone())));
        }
        drop(waiting);
        self.broken.send_replace(true);
    }
}

async fn read_loop(mut reader: OwnedReadHalf, shared: Arc<Shared>) {
    let reason = tokio::select! {
        reason = read_frames(&mut reader, &shared) => reason,
        () = shared.dropped.notified() => "it was closed here".to_owned(),
        () = shared.broken() => return,
    };
    shared.close(reason);
}

/// Hands frames to those who wait until the connection ends; returns why it did.
async fn read_frames(reader: &mut OwnedReadHalf, shared: &Shared) -> String {
    let decoder = FrameDecoder::new(MAX_RESPONSE);
    let mut buffer = BytesMut::with_capacity(READ_CHUNK);
    loop {
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(frame)) => {
                    let Some(id) = response::correlation_id(&frame) else {
                        return "a frame without a correlation id came".to_owned();
                    };
                    // Nobody waits: its request timed out.
                    if let Some(sender) = shared.lock().by_id.remove(&id) {
                        let _ = sender.send(Ok(frame));
                    }
                }
                Ok(None) => break,
                Err(error) => return error.to_string(),
            }
        }
        // Grows as bytes come, at most doubling: a length alone reserves nothing.
        let missing = decoder.missing(&buffer).unwrap_or(0);
        let room = missing.clamp(READ_CHUNK, buffer.len().max(READ_CHUNK));
        buffer.reserve(room);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return "the peer closed it".to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

async fn write_loop(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>, shared: Arc<Shared>) {
    loop {
        let frame = tokio::select! {
            frame = queue.recv() => frame,
            () = shared.broken() => return,
        };
        let Some(frame) = frame else { return };
        let written = tokio::select! {
            written = writer.write_all(&frame) => written,
            () = shared.broken() => return,
        };
        if let Err(error) = written {
            shared.close(error.to_string());
            return;
        }
    }
}
