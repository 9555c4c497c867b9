//! Frames that make no sense.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{address, connect};

/// Sends one frame and gives the answer, `None` when the broker closes the connection.
async fn raw(frame: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address()).await.expect("a connection");
    stream.write_all(frame).await.expect("it is sent");
    let mut size = [0; 4];
    match tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut size)).await {
        Err(_) => panic!("neither an answer nor a closed connection"),
        Ok(Err(_)) => None,
        Ok(Ok(_)) => {
            let mut answer = vec![0; u32::from_be_bytes(size) as usize];
            stream.read_exact(&mut answer).await.expect("a whole answer");
            Some(answer)
        }
    }
}

fn frame(key: i16, version: i16, rest: &[u8]) -> Vec<u8> {
    let mut out = (8 + rest.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(&key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&9i32.to_be_bytes());
    out.extend_from_slice(rest);
    out
}

/// Frames that make no sense: what Kafka does, and that it serves on.
#[tokio::test]
#[ignore = "needs ODRADEK_TEST_BROKER"]
async fn broken_frames_close_the_connection() {
    let header = [0, 1, b'c', 0];
    // ApiVersions that is too new: correlation id, UNSUPPORTED_VERSION, then a list of one.
    let answer = raw(&frame(18, 90, &header)).await.expect("an answer");
    assert_eq!(answer[..6], [0, 0, 0, 9, 0, 35]);
    // Kafka lists ApiVersions alone, which is all that the client needs to ask again.
    assert_eq!(answer[6..12], [0, 0, 0, 1, 0, 18]);
    assert_eq!(answer.len(), 16);
    for (what, bytes) in [
        ("unknown key", frame(4, 0, &header)),
        ("unknown large key", frame(9999, 0, &header)),
        ("version too new", frame(3, 90, &header)),
        ("version too old", frame(0, 2, &header)),
        ("negative version", frame(3, -1, &header)),
        ("broken body", frame(3, 12, &[0, 1, b'c', 0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("header cut", frame(3, 12, &[0, 9])),
        ("oversized", i32::MAX.to_be_bytes().to_vec()),
        ("negative size", (-5i32).to_be_bytes().to_vec()),
        ("size 0", 0i32.to_be_bytes().to_vec()),
        ("http", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec()),
    ] {
        assert_eq!(raw(&bytes).await, None, "{what}");
    }
    let served = connect().await;
    assert!(served.served(3).is_some(), "it does not serve on");
}
