//! The admin client against a scripted broker: versions, breaks, refusals.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use odradek_client::{Admin, ClientConfig, Error};
use odradek_wire::messages::api_versions_response::ApiVersion;
use odradek_wire::messages::describe_cluster_response::DescribeClusterBroker;
use odradek_wire::messages::{ApiKey, ApiVersionsResponse, BrokerId, DescribeClusterResponse, RequestKind};
use odradek_wire::protocol::StrBytes;
use odradek_wire::request::{self, RequestBody};
use odradek_wire::response;
use odradek_wire::versions::ListenerKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What one connection does after the exchange of versions.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Answers one DescribeCluster request with this controller, then closes.
    Answer(i32),
    /// Reads one request and closes.
    Break,
    /// Reads one request and says nothing more.
    Silence,
    /// Answers with an error of the whole request.
    Refuse(i16),
}

/// How the broker knows its versions.
#[derive(Debug, Clone, Copy)]
enum Versions {
    /// DescribeCluster up to this version.
    Serves(i16),
    /// No DescribeCluster at all.
    Lacks,
    /// As a broker that is too old for the first question, with DescribeCluster 0.
    Old,
}

async fn read(stream: &mut TcpStream) -> Option<Bytes> {
    let size = stream.read_u32().await.ok()?;
    let mut frame = BytesMut::zeroed(size as usize);
    stream.read_exact(&mut frame).await.ok()?;
    Some(frame.freeze())
}

async fn greet(stream: &mut TcpStream, versions: Versions) {
    let frame = read(stream).await.expect("a request");
    let decoded = request::decode(ListenerKind::Broker, frame).expect("a request");
    let id = decoded.header.correlation_id;
    let api = |key: ApiKey, max: i16| ApiVersion::default().with_api_key(key as i16).with_max_version(max);
    let answer = ApiVersionsResponse::default();
    let (version, id, answer) = match versions {
        Versions::Serves(max) => (3, id, answer.with_api_keys(vec![api(ApiKey::DescribeCluster, max)])),
        Versions::Lacks => (3, id, answer.with_api_keys(vec![api(ApiKey::Metadata, 12)])),
        Versions::Old => {
            let refused = response::unsupported_api_versions(ListenerKind::Broker, id).expect("it encodes");
            stream.write_all(&refused).await.expect("it is sent");
            let again = read(stream).await.expect("a second request");
            let decoded = request::decode(ListenerKind::Broker, again).expect("a request");
            assert_eq!((decoded.header.api_key, decoded.header.api_version), (18, 0));
            (0, decoded.header.correlation_id, answer.with_api_keys(vec![api(ApiKey::DescribeCluster, 0)]))
        }
    };
    let frame = response::encode_message(18, version, id, &answer).expect("it encodes");
    stream.write_all(&frame).await.expect("it is sent");
}

async fn act(mut stream: TcpStream, versions: Versions, act: Act) {
    greet(&mut stream, versions).await;
    let Some(frame) = read(&mut stream).await else { return };
    let decoded = request::decode(ListenerKind::Broker, frame).expect("a request");
    assert!(matches!(decoded.body, RequestBody::Kafka(RequestKind::DescribeCluster(_))));
    let (controller, code) = match act {
        Act::Break => return,
        Act::Silence => std::future::pending().await,
        Act::Answer(controller) => (controller, 0),
        Act::Refuse(code) => (-1, code),
    };
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(3))
        .with_host(StrBytes::from_static_str("host"))
        .with_port(9092);
    let answer = DescribeClusterResponse::default()
        .with_error_code(code)
        .with_cluster_id(StrBytes::from_static_str("cluster"))
        .with_controller_id(BrokerId(controller))
        .with_brokers(vec![broker]);
    let header = decoded.header;
    let frame = response::encode_message(60, header.api_version, header.correlation_id, &answer).expect("it encodes");
    stream.write_all(&frame).await.expect("it is sent");
}

/// A broker whose connections act one after the other as they are told.
async fn broker(versions: Versions, acts: &'static [Act]) -> Admin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        for step in acts {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(act(stream, versions, *step));
        }
    });
    Admin::new(ClientConfig {
        bootstrap: vec!["127.0.0.1:1".to_owned(), address],
        request_timeout: Duration::from_millis(300),
        ..ClientConfig::default()
    })
}

#[tokio::test]
async fn a_broken_connection_is_made_again() {
    let admin = broker(Versions::Serves(2), &[Act::Answer(1), Act::Answer(2), Act::Break, Act::Answer(-1)]).await;
    let first = admin.describe_cluster().await.expect("an answer");
    assert_eq!((first.cluster_id.as_str(), first.controller_id, first.brokers[0].id), ("cluster", Some(1), 3));
    assert_eq!(admin.describe_cluster().await.expect("an answer").controller_id, Some(2));
    // The third connection breaks under the request: what only reads is asked again.
    assert_eq!(admin.describe_cluster().await.expect("an answer").controller_id, None);
}

#[tokio::test]
async fn but_not_for_ever() {
    let admin = broker(Versions::Serves(2), &[Act::Break, Act::Break, Act::Answer(7)]).await;
    let error = admin.describe_cluster().await.expect_err("it broke twice");
    assert!(matches!(error, Error::Disconnected { .. }) && error.is_retriable(), "{error}");
    assert_eq!(admin.describe_cluster().await.expect("an answer").controller_id, Some(7));
}

#[tokio::test]
async fn a_silent_broker_is_left() {
    let admin = broker(Versions::Serves(2), &[Act::Silence, Act::Answer(7)]).await;
    let error = admin.describe_cluster().await.expect_err("it says nothing");
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert_eq!(admin.describe_cluster().await.expect("an answer").controller_id, Some(7));
}

#[tokio::test]
async fn versions_are_agreed_on() {
    for versions in [Versions::Serves(0), Versions::Serves(1), Versions::Serves(9), Versions::Old] {
        let admin = broker(versions, &[Act::Answer(1)]).await;
        assert_eq!(admin.describe_cluster().await.expect("an answer").controller_id, Some(1), "{versions:?}");
    }
    let error = broker(Versions::Lacks, &[Act::Answer(1)]).await.describe_cluster().await.expect_err("it has none");
    assert!(matches!(error, Error::Unsupported { api_key: 60, .. }) && !error.is_retriable(), "{error}");
}

#[tokio::test]
async fn a_refusal_has_its_name() {
    let admin = broker(Versions::Serves(2), &[Act::Refuse(31)]).await;
    let error = admin.describe_cluster().await.expect_err("it is refused");
    assert!(error.to_string().contains("CLUSTER_AUTHORIZATION_FAILED (31)"), "{error}");
}

#[tokio::test]
async fn calls_share_one_connection() {
    let admin = broker(Versions::Serves(2), &[Act::Answer(1), Act::Answer(2)]).await;
    let other = admin.clone();
    let (one, two) = tokio::join!(admin.describe_cluster(), other.describe_cluster());
    // The scripted broker answers one request on each connection: the other call breaks and is made again.
    let mut controllers = [one.expect("an answer").controller_id, two.expect("an answer").controller_id];
    controllers.sort();
    assert_eq!(controllers, [Some(1), Some(2)]);
}
