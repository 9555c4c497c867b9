//! Connections with a service that does what requests say, and sockets for real.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use odradek_log::{Disk, FileRange, MemDisk, OpenMode, RealDisk};
use odradek_node::event::{ListenerRole, RequestId};
use odradek_wire::request::{self, DecodeError, RequestBody, RequestHeader};
use odradek_wire::response::{self, EncodeError};
use odradek_wire::versions::ListenerKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::*;
use crate::config::{Listener, SecurityProtocol, ServerConfig};
use crate::loops::LoopEnded;
use crate::metrics::Traffic;

const LIMIT: Duration = Duration::from_secs(10);

/// A reply: bytes, and a range of a file after them.
#[derive(Debug)]
enum Reply {
    Echo(Bytes, Option<FileRange>),
    Nothing,
    Close,
}

/// What the loop of a test gets.
type Asked = (RequestId, u64, Bytes);

#[derive(Debug, Clone)]
struct Echo<const IN_ORDER: bool> {
    asked: mpsc::Sender<Asked>,
    closed: mpsc::UnboundedSender<u64>,
}

impl<const ORDER: bool> Service for Echo<ORDER> {
    type Request = Bytes;
    type Reply = Reply;
    const IN_ORDER: bool = ORDER;

    fn decode(&self, frame: Bytes) -> Result<Incoming<Bytes>, DecodeError> {
        let decoded = request::decode(ListenerKind::Controller, frame)?;
        match decoded.body {
            RequestBody::Controller(body) => Ok(Incoming::Ask(decoded.header, body)),
            RequestBody::Kafka(_) => {
                Ok(Incoming::Answered(response::encode_opaque(decoded.header.correlation_id, b"at once")))
            }
        }
    }

    async fn submit(
        &self,
        id: RequestId,
        connection: &ConnectionInfo,
        _header: &RequestHeader,
        request: Bytes,
    ) -> Result<(), LoopEnded> {
        self.asked.send((id, connection.id, request)).await.map_err(|_| LoopEnded)
    }

    fn encode(&self, header: &RequestHeader, reply: Reply) -> Result<Outgoing, EncodeError> {
        match reply {
            Reply::Nothing => Ok(Outgoing::Nothing),
            Reply::Close => Ok(Outgoing::Close),
            Reply::Echo(body, file) => {
                let mut head = BytesMut::new();
                head.put_u32((4 + body.len() + file.as_ref().map_or(0, |file| file.len)) as u32);
                head.put_i32(header.correlation_id);
                let mut parts = vec![Part::Bytes(head.freeze()), Part::Bytes(body)];
                parts.extend(file.map(Part::File));
                Ok(Outgoing::Frame(parts))
            }
        }
    }

    async fn closed(&self, connection: u64) {
        let _ = self.closed.send(connection);
    }
}

/// A listener, its loop's inbox, and its way back.
struct Fixture {
    listeners: Listeners,
    address: String,
    asked: mpsc::Receiver<Asked>,
    closed: mpsc::UnboundedReceiver<u64>,
    replies: Arc<Replies<Reply>>,
    budget: Budget,
}

fn config(overrides: &[&str]) -> ListenersConfig {
    let overrides: Vec<_> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let config = ServerConfig::load(None, &overrides, &|| "localhost".to_owned()).expect("a configuration");
    ListenersConfig::new(config.network, Traffic::default())
}

async fn fixture<const ORDER: bool>(overrides: &[&str], queue: usize) -> Fixture {
    let config = config(overrides);
    let budget = config.budget.clone();
    let mut listeners = Listeners::new(config);
    let listener = Listener {
        name: "TEST".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 0,
        protocol: SecurityProtocol::Plaintext,
    };
    let bound = listeners.bind(&listener).await.expect("a port");
    let address = bound.address().to_string();
    let (sender, asked) = mpsc::channel(queue);
    let (closed_sender, closed) = mpsc::unbounded_channel();
    let replies = Arc::new(Replies::default());
    let service = Echo::<ORDER> { asked: sender, closed: closed_sender };
    listeners.serve(bound, ListenerRole::Client, service, replies.clone());
    Fixture { listeners, address, asked, closed, replies, budget }
}

impl Fixture {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.expect("a connection")
    }

    async fn take(&mut self) -> Asked {
        tokio::time::timeout(LIMIT, self.asked.recv()).await.expect("a request in time").expect("a request")
    }

    fn echo(&self, asked: Asked) {
        self.replies.deliver(asked.0, Reply::Echo(asked.2, None));
    }
}

fn frame(id: i32, body: &[u8]) -> Bytes {
    request::encode_controller(id, "test", body).expect("a frame")
}

async fn send(stream: &mut TcpStream, id: i32, body: &[u8]) {
    stream.write_all(&frame(id, body)).await.expect("it is sent");
}

/// Correlation id and body of the next answer; `None` when the connection was closed.
async fn answer(stream: &mut TcpStream) -> Option<(i32, Vec<u8>)> {
    let read = async {
        let size = stream.read_u32().await.ok()?;
        let id = stream.read_i32().await.ok()?;
        let mut body = vec![0; size as usize - 4];
        stream.read_exact(&mut body).await.ok()?;
        Some((id, body))
    };
    tokio::time::timeout(LIMIT, read).await.expect("an answer in time")
}

#[tokio::test]
async fn answers_keep_the_order_of_requests() {
    let mut fixture = fixture::<true>(&[], 10).await;
    let mut stream = fixture.connect().await;
    for id in 0..5 {
        send(&mut stream, id, &[id as u8]).await;
    }
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(fixture.take().await);
    }
    // The last one first.
    for asked in asked.into_iter().rev() {
        fixture.echo(asked);
    }
    for id in 0..5 {
        assert_eq!(answer(&mut stream).await, Some((id, vec![id as u8])));
    }
}

#[tokio::test]
async fn or_leave_as_they_come() {
    let mut fixture = fixture::<false>(&[], 10).await;
    let mut stream = fixture.connect().await;
    send(&mut stream, 1, b"poll").await;
    send(&mut stream, 2, b"beat").await;
    let poll = fixture.take().await;
    let beat = fixture.take().await;
    fixture.echo(beat);
    assert_eq!(answer(&mut stream).await, Some((2, b"beat".to_vec())));
    fixture.echo(poll);
    assert_eq!(answer(&mut stream).await, Some((1, b"poll".to_vec())));
}

#[tokio::test]
async fn silence_and_closing_are_answers_too() {
    let mut fixture = fixture::<true>(&[], 10).await;
    let mut stream = fixture.connect().await;
    for id in 1..=3 {
        send(&mut stream, id, b"x").await;
    }
    let (first, connection, _) = fixture.take().await;
    fixture.replies.deliver(first, Reply::Nothing);
    let second = fixture.take().await;
    fixture.echo(second);
    assert_eq!(answer(&mut stream).await, Some((2, b"x".to_vec())));
    let (third, ..) = fixture.take().await;
    fixture.replies.deliver(third, Reply::Close);
    assert_eq!(answer(&mut stream).await, None);
    assert_eq!(fixture.closed.recv().await, Some(connection));
}

/// Ranges of real files (sendfile from 32 KiB on) and of files in memory, to a peer that reads slowly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_arrive_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let content: Vec<u8> = (0..5_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let disks: [(Arc<dyn Disk>, &Path); 2] =
        [(Arc::new(RealDisk), folder.path()), (Arc::new(MemDisk::new()), Path::new("/m"))];
    for (disk, dir) in disks {
        disk.create_dir_all(dir).expect("a folder");
        let file = disk.open(&dir.join("segment"), OpenMode::CreateNew).expect("a file");
        file.write_at(&content, 0).expect("it is written");
        let mut fixture = fixture::<true>(&[], 10).await;
        let mut stream = fixture.connect().await;
        for (id, (offset, len)) in
            [(0, 1), (7, 100), (4_000, 32 * 1024 - 1), (5, 32 * 1024), (1_000, 4_900_000), (4_999_999, 1)]
                .into_iter()
                .enumerate()
        {
            send(&mut stream, id as i32, b"body").await;
            let (request, _, body) = fixture.take().await;
            let range = FileRange { file: file.clone(), offset: offset as u64, len };
            fixture.replies.deliver(request, Reply::Echo(body, Some(range)));
            if len > 1_000_000 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let (got, body) = answer(&mut stream).await.expect("an answer");
            assert_eq!(got, id as i32);
            assert!(body[4..] == content[offset..offset + len], "{len} bytes at {offset} differ");
        }
        // A segment that was cut meanwhile: the announced bytes cannot come, so the connection ends.
        send(&mut stream, 9, b"").await;
        let (request, ..) = fixture.take().await;
        let range = FileRange { file: file.clone(), offset: 4_900_000, len: 200_000 };
        fixture.replies.deliver(request, Reply::Echo(Bytes::new(), Some(range)));
        assert_eq!(answer(&mut stream).await, None);
    }
}

#[tokio::test]
async fn nonsense_closes_its_own_connection_only() {
    let mut fixture = fixture::<true>(&["socket.request.max.bytes=1000"], 10).await;
    let mut good = fixture.connect().await;
    let mut long = frame(1, &[0; 2000]).to_vec();
    long.truncate(100);
    let own = frame(1, b"x");
    let mut too_new = own.to_vec();
    too_new[7] = 9;
    for bytes in [long, vec![0xff; 4], vec![0, 0, 0, 2, 1, 1], too_new, b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut bad = fixture.connect().await;
        bad.write_all(&bytes).await.expect("it is sent");
        assert_eq!(answer(&mut bad).await, None, "{bytes:?}");
        send(&mut good, 7, b"still").await;
        let asked = fixture.take().await;
        fixture.echo(asked);
        assert_eq!(answer(&mut good).await, Some((7, b"still".to_vec())));
    }
}

#[tokio::test]
async fn bytes_may_come_one_by_one_and_frames_together() {
    let mut fixture = fixture::<true>(&[], 100).await;
    let mut stream = fixture.connect().await;
    stream.set_nodelay(true).expect("an option");
    for byte in frame(1, b"slow").iter() {
        stream.write_all(&[*byte]).await.expect("it is sent");
        tokio::task::yield_now().await;
    }
    let large = vec![7; 100_000];
    let many: Vec<u8> = [frame(2, b"a"), frame(3, &large), frame(4, b"b"), frame(5, &large)].concat();
    stream.write_all(&many).await.expect("it is sent");
    for (id, body) in [(1, b"slow".to_vec()), (2, b"a".to_vec()), (3, large.clone()), (4, b"b".to_vec()), (5, large)] {
        let asked = fixture.take().await;
        assert_eq!(asked.2, body);
        fixture.echo(asked);
        assert_eq!(answer(&mut stream).await, Some((id, body)));
    }
}

/// While the loop's queue is full, sockets are not read; afterwards nothing is lost.
#[tokio::test]
async fn a_full_queue_pushes_back() {
    let mut fixture = fixture::<true>(&["socket.receive.buffer.bytes=65536"], 2).await;
    let stream = fixture.connect().await;
    let (mut reader, mut writer) = stream.into_split();
    const COUNT: i32 = 2_000;
    let body = vec![1; 10_000];
    let sent = Arc::new(std::sync::atomic::AtomicI32::new(0));
    let counter = sent.clone();
    let frames = tokio::spawn(async move {
        for id in 0..COUNT {
            writer.write_all(&frame(id, &body)).await.expect("it is sent");
            counter.store(id + 1, std::sync::atomic::Ordering::Relaxed);
        }
        writer
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stuck = sent.load(std::sync::atomic::Ordering::Relaxed);
    assert!(stuck < COUNT / 2, "{stuck} requests were taken with a full queue");
    let answers = tokio::spawn(async move {
        for id in 0..COUNT {
            let size = reader.read_u32().await.expect("an answer");
            assert_eq!(reader.read_i32().await.expect("an answer"), id);
            let mut body = vec![0; size as usize - 4];
            reader.read_exact(&mut body).await.expect("an answer");
        }
    });
    for _ in 0..COUNT {
        let asked = fixture.take().await;
        fixture.echo(asked);
    }
    answers.await.expect("all are answered");
    drop(frames.await.expect("all are sent"));
}

/// Room is taken before a large frame is read, and given back with its last slice.
#[tokio::test]
async fn large_frames_wait_for_room() {
    let overrides = ["socket.request.max.bytes=1000000", "queued.max.request.bytes=1000000"];
    let mut fixture = fixture::<true>(&overrides, 10).await;
    let free = fixture.budget.free();
    let mut one = fixture.connect().await;
    let mut two = fixture.connect().await;
    let mut small = fixture.connect().await;
    let large = vec![3; 600_000];
    send(&mut one, 1, &large).await;
    let first = fixture.take().await;
    assert!(fixture.budget.free() < free - 500_000);
    let head = frame(2, &large);
    two.write_all(&head[..100_000]).await.expect("it is sent");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(fixture.asked.is_empty(), "a second large frame was read without room");
    // Small requests need none.
    send(&mut small, 3, b"small").await;
    let asked = fixture.take().await;
    fixture.echo(asked);
    assert_eq!(answer(&mut small).await, Some((3, b"small".to_vec())));
    // A slice keeps the room; dropping the last one gives it back.
    let slice = first.2.slice(10..20);
    fixture.replies.deliver(first.0, Reply::Nothing);
    drop(first.2);
    assert!(fixture.budget.free() < free - 500_000);
    drop(slice);
    two.write_all(&head[100_000..]).await.expect("it is sent");
    let second = fixture.take().await;
    assert_eq!(second.2, large);
    // Also while the answer is still to come.
    drop(second.2);
    let given_back = async {
        while fixture.budget.free() != free {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LIMIT, given_back).await.expect("the room is given back");
}

#[tokio::test]
async fn idle_connections_end_unless_a_request_waits() {
    let mut fixture = fixture::<true>(&["connections.max.idle.ms=300"], 10).await;
    let mut idle = fixture.connect().await;
    let mut waiting = fixture.connect().await;
    send(&mut waiting, 1, b"join").await;
    let asked = fixture.take().await;
    assert_eq!(answer(&mut idle).await, None);
    tokio::time::sleep(Duration::from_millis(700)).await;
    fixture.echo(asked);
    assert_eq!(answer(&mut waiting).await, Some((1, b"join".to_vec())));
    assert_eq!(answer(&mut waiting).await, None);
}

#[tokio::test]
async fn silence_between_two_frames_is_not_a_frame_that_was_left_off() {
    let mut fixture = fixture::<true>(&[], 10).await;
    let mut stream = fixture.connect().await;
    for id in [1, 2] {
        send(&mut stream, id, b"a").await;
        let asked = fixture.take().await;
        fixture.echo(asked);
        assert_eq!(answer(&mut stream).await, Some((id, b"a".to_vec())));
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(300)).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_connection_that_goes_forgets_its_requests() {
    let mut fixture = fixture::<true>(&[], 10).await;
    let mut stream = fixture.connect().await;
    send(&mut stream, 1, b"a").await;
    send(&mut stream, 2, b"b").await;
    let (first, connection, _) = fixture.take().await;
    fixture.take().await;
    assert_eq!(fixture.replies.waiting(), 2);
    drop(stream);
    let gone = tokio::time::timeout(LIMIT, fixture.closed.recv()).await.expect("it is told");
    assert_eq!(gone, Some(connection));
    assert_eq!(fixture.replies.waiting(), 0);
    fixture.replies.deliver(first, Reply::Nothing);
}

#[tokio::test]
async fn a_shutdown_answers_what_was_asked() {
    let mut fixture = fixture::<true>(&[], 10).await;
    let mut stream = fixture.connect().await;
    let mut silent = fixture.connect().await;
    send(&mut stream, 1, b"last").await;
    let asked = fixture.take().await;
    let (listeners, replies, address) = (fixture.listeners, fixture.replies, fixture.address);
    let shutdown = tokio::spawn(listeners.shutdown(LIMIT));
    assert_eq!(answer(&mut silent).await, None);
    assert!(TcpStream::connect(&address).await.is_err(), "it still accepts");
    send(&mut stream, 2, b"too late").await;
    replies.deliver(asked.0, Reply::Echo(asked.2, None));
    assert_eq!(answer(&mut stream).await, Some((1, b"last".to_vec())));
    assert_eq!(answer(&mut stream).await, None);
    shutdown.await.expect("it ends");
    assert!(fixture.asked.try_recv().is_err(), "a request was read after the shutdown");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let mut fixture = fixture::<true>(&[], 10).await;
    let mut stream = fixture.connect().await;
    send(&mut stream, 1, b"never").await;
    fixture.take().await;
    let start = std::time::Instant::now();
    fixture.listeners.shutdown(Duration::from_millis(200)).await;
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(answer(&mut stream).await, None);
}

#[tokio::test]
async fn connections_are_limited() {
    let fixture_one = fixture::<true>(&["max.connections.per.ip=2"], 10).await;
    let one = fixture_one.connect().await;
    let mut two = fixture_one.connect().await;
    let mut three = fixture_one.connect().await;
    assert_eq!(answer(&mut three).await, None);
    drop(one);
    let mut fixture_one = fixture_one;
    fixture_one.closed.recv().await.expect("one is gone");
    let mut four = fixture_one.connect().await;
    for stream in [&mut two, &mut four] {
        send(stream, 1, b"x").await;
        let asked = fixture_one.take().await;
        fixture_one.echo(asked);
        assert!(answer(stream).await.is_some());
    }

    // Over max.connections the next one waits in the backlog.
    let mut fixture = fixture::<true>(&["max.connections=1"], 10).await;
    let first = fixture.connect().await;
    let mut second = fixture.connect().await;
    send(&mut second, 1, b"x").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(fixture.asked.is_empty());
    drop(first);
    let asked = fixture.take().await;
    fixture.echo(asked);
    assert!(answer(&mut second).await.is_some());
}

#[tokio::test]
async fn new_connections_are_paced() {
    let fixture = fixture::<true>(&["max.connection.creation.rate=10"], 10).await;
    let start = std::time::Instant::now();
    for _ in 0..20 {
        let mut stream = fixture.connect().await;
        // ApiVersions, answered without the loop.
        let frame = [&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff][..]].concat();
        stream.write_all(&frame).await.expect("it is sent");
        assert_eq!(answer(&mut stream).await, Some((1, b"at once".to_vec())));
    }
    assert!(start.elapsed() > Duration::from_millis(800), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_with_its_name() {
    let fixture = fixture::<true>(&[], 1).await;
    let port = fixture.address.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let listener =
        Listener { name: "TEST".to_owned(), host: "127.0.0.1".to_owned(), port, protocol: SecurityProtocol::Plaintext };
    let error = fixture.listeners.bind(&listener).await.expect_err("it is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}
