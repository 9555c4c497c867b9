//! The binary as a process of its own, and Kafka frames over a socket.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, RequestKind, ResponseHeader, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that was free a moment ago, below those that the system gives to outgoing connections: one of these could
/// otherwise sit on it while its server starts again.
pub fn free_port() -> u16 {
    static TURN: AtomicU16 = AtomicU16::new(0);
    let begin = (std::process::id().wrapping_mul(0x9e37_79b1) % 1_000) as u16;
    std::iter::repeat_with(|| 29_000 + (begin + TURN.fetch_add(1, Ordering::Relaxed) % 1_000) % 1_000)
        .take(1_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port")
}

/// One broker with its controller; killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    pub port: u16,
    pub controller: u16,
    pub http: u16,
}

impl Process {
    /// Starts it with its data in `dir`; does not wait.
    pub fn spawn(dir: &Path, overrides: &[&str]) -> Self {
        let (port, controller, http) = (free_port(), free_port(), free_port());
        let log = dir.join(format!("log-{port}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_odradek-broker"));
        let own = [
            format!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"),
            format!("controller.quorum.voters=1@127.0.0.1:{controller}"),
            format!("odradek.http.listener=127.0.0.1:{http}"),
            "offsets.topic.num.partitions=2".to_owned(),
        ];
        for text in own.iter().map(String::as_str).chain(overrides.iter().copied()) {
            command.args(["--override", text]);
        }
        let file = std::fs::File::create(&log).unwrap();
        let child = command.current_dir(dir).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log, port, controller, http }
    }

    /// Starts it and waits until it is ready.
    pub fn start(dir: &Path, overrides: &[&str]) -> Self {
        let mut process = Self::spawn(dir, overrides);
        process.wait_ready();
        process
    }

    /// Waits for 200 from `/readyz`.
    pub fn wait_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.page("/readyz").starts_with("HTTP/1.1 200") {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended:\n{}", self.log());
            assert!(Instant::now() < deadline, "not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What an HTTP GET answers; nothing while nobody listens.
    pub fn page(&self, path: &str) -> String {
        let mut page = String::new();
        if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.http)) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            if socket.write_all(request.as_bytes()).is_ok() {
                // A process that is killed in the middle leaves half a page.
                let _ = socket.read_to_string(&mut page);
            }
        }
        page
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait().code()
    }

    /// What it wrote on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to a broker.
pub struct Client {
    socket: TcpStream,
    correlation: i32,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, correlation: 0 }
    }

    /// Asks; `None` when the connection was closed in place of an answer.
    pub fn ask(&mut self, key: ApiKey, version: i16, request: &RequestKind) -> Option<ResponseKind> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(key as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, key.request_header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap_or_else(|error| panic!("{key:?} {version}: {error}"));
        let len = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&len.to_be_bytes());
        self.socket.write_all(&frame).unwrap();
        let mut len = [0; 4];
        self.socket.read_exact(&mut len).ok()?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(len)).unwrap()];
        self.socket.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut frame, key.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation);
        let response = ResponseKind::decode(key, &mut frame, version)
            .unwrap_or_else(|error| panic!("the answer to {key:?} {version}: {error}"));
        assert!(!frame.has_remaining(), "{key:?} {version}: {} bytes behind the answer", frame.remaining());
        Some(response)
    }
}
