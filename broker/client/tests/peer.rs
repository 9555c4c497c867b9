//! Peers: answers by correlation id, breaks told at once, reconnects with pauses.

use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use odradek_client::peer::{Peer, PeerConfig, PeerError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(5);

fn request(id: i32) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(12);
    out.put_i16(1);
    out.put_i16(0);
    out.put_i32(id);
    out.put_i32(id * 10);
    out.freeze()
}

/// Correlation id of the next request.
async fn take(stream: &mut TcpStream) -> Option<i32> {
    let mut frame = [0; 16];
    stream.read_exact(&mut frame).await.ok()?;
    Some(i32::from_be_bytes(frame[8..12].try_into().expect("four bytes")))
}

async fn answer(stream: &mut TcpStream, id: i32) {
    let mut out = BytesMut::new();
    out.put_i32(8);
    out.put_i32(id);
    out.put_i32(id * 100);
    stream.write_all(&out).await.expect("it is sent");
}

async fn listen() -> (TcpListener, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, Peer::start(PeerConfig::new(address, 1)))
}

fn body(frame: &Bytes) -> i32 {
    i32::from_be_bytes(frame[4..8].try_into().expect("four bytes"))
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    let (listener, peer) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let first = take(&mut stream).await.expect("a request");
        let second = take(&mut stream).await.expect("a request");
        answer(&mut stream, second).await;
        answer(&mut stream, first).await;
        stream
    });
    let (one, two) = tokio::join!(peer.call(request(1), 1, LIMIT), peer.call(request(2), 2, LIMIT));
    assert_eq!((body(&one.expect("an answer")), body(&two.expect("an answer"))), (100, 200));
    drop(server.await);
}

#[tokio::test]
async fn a_break_fails_all_that_wait_at_once_and_the_next_call_connects_again() {
    let (listener, peer) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        take(&mut stream).await.expect("a request");
        take(&mut stream).await.expect("a request");
        drop(stream);
        let (mut stream, _) = listener.accept().await.expect("a second connection");
        let id = take(&mut stream).await.expect("a request");
        answer(&mut stream, id).await;
        stream
    });
    let start = Instant::now();
    let (one, two) = tokio::join!(peer.call(request(1), 1, LIMIT), peer.call(request(2), 2, LIMIT));
    assert!(matches!(one, Err(PeerError::Disconnected { .. })), "{one:?}");
    assert!(matches!(two, Err(PeerError::Disconnected { .. })), "{two:?}");
    assert_eq!(body(&peer.call(request(3), 3, LIMIT).await.expect("an answer")), 300);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    drop(server.await);
}

#[tokio::test]
async fn a_silent_peer_is_left() {
    let (listener, peer) = listen().await;
    let server = tokio::spawn(async move {
        let (mut silent, _) = listener.accept().await.expect("a connection");
        take(&mut silent).await.expect("a request");
        // The time-out closes it.
        assert_eq!(take(&mut silent).await, None);
        let (mut stream, _) = listener.accept().await.expect("a second connection");
        let id = take(&mut stream).await.expect("a request");
        answer(&mut stream, id).await;
        stream
    });
    let silent = peer.call(request(1), 1, Duration::from_millis(100)).await;
    assert!(matches!(silent, Err(PeerError::TimedOut { .. })), "{silent:?}");
    assert_eq!(body(&peer.call(request(2), 2, LIMIT).await.expect("an answer")), 200);
    drop(server.await);
}

#[tokio::test]
async fn attempts_are_paced() {
    // A port that nobody listens on.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let peer = Peer::start(PeerConfig::new(address, 1));
    let start = Instant::now();
    for id in 0..5 {
        let refused = peer.call(request(id), id, LIMIT).await;
        assert!(matches!(refused, Err(PeerError::Disconnected { .. })), "{refused:?}");
    }
    // Pauses of 50, 100, 200 and 400 ms, each up to a fifth shorter or longer.
    let took = start.elapsed();
    assert!(took > Duration::from_millis(590) && took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn posts_keep_their_order() {
    let (listener, peer) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut ids = Vec::new();
        for _ in 0..100 {
            ids.push(take(&mut stream).await.expect("a request"));
        }
        ids
    });
    for id in 0..100 {
        peer.post(request(id)).await.expect("it is sent");
    }
    assert_eq!(server.await.expect("it ends"), (0..100).collect::<Vec<_>>());
    let reason = tokio::time::timeout(LIMIT, peer.broken()).await.expect("the break is seen");
    assert!(!reason.is_empty());
}

#[tokio::test]
async fn a_frame_that_makes_no_sense_breaks_the_connection() {
    let (listener, peer) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        take(&mut stream).await.expect("a request");
        stream.write_all(&[0, 0, 0, 1, 7]).await.expect("it is sent");
        stream
    });
    let broken = peer.call(request(1), 1, LIMIT).await;
    assert!(matches!(broken, Err(PeerError::Disconnected { .. })), "{broken:?}");
    drop(server.await);
}

/// A controller that was started again has another address, and its name leads to the former one for a while.
#[tokio::test]
async fn a_peer_is_found_where_it_was_heard_of_and_else_by_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let id = take(&mut stream).await.expect("a request");
            answer(&mut stream, id).await;
        }
    });
    let mut moved = PeerConfig::new(format!("no-such-host.invalid:{port}"), 1);
    moved.heard_at = Some([127, 0, 0, 1].into());
    let peer = Peer::start(moved);
    assert_eq!(peer.remote(), None);
    assert_eq!(body(&peer.call(request(1), 1, LIMIT).await.expect("an answer")), 100);
    assert_eq!(peer.remote(), Some([127, 0, 0, 1].into()));
    // Heard of at an address where nothing listens on that port (its messages came through another one).
    let mut elsewhere = PeerConfig::new(format!("127.0.0.1:{port}"), 1);
    elsewhere.heard_at = Some([127, 1, 2, 3].into());
    let answered = Peer::start(elsewhere).call(request(2), 2, LIMIT).await;
    assert_eq!(body(&answered.expect("an answer")), 200);
    server.await.expect("both came");
}
