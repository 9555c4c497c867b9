use super::*;
use odradek_node::event::BrokerState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn get_page(address: SocketAddr, path: &str) -> String {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    socket.read_to_string(&mut page).await.unwrap();
    page
}

#[tokio::test]
async fn alive_and_ready_are_two_things() {
    let sources = Sources {
        health: Health::default(),
        broker: Arc::default(),
        controller: Arc::default(),
        peers: Peers::new(crate::net::PeersConfig {
            node_id: 1,
            controllers: [].into(),
            bootstrap: Vec::new(),
            connect_timeout: Duration::from_secs(1),
            seed: 1,
        }),
        traffic: Traffic::default(),
        started: Instant::now(),
    };
    let health = sources.health.clone();
    health.recovering(1, 4);
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, sources));

    assert!(get_page(address, "/livez").await.starts_with("HTTP/1.1 200 "));
    let page = get_page(address, "/readyz").await;
    assert!(page.starts_with("HTTP/1.1 503 "), "{page}");
    assert!(page.contains(r#"{"ready":false,"reasons":["broker: recovering logs: 1 of 4 are open"]}"#), "{page}");

    health.broker(BrokerState::Running);
    let page = get_page(address, "/readyz").await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains(r#""ready":true"#), "{page}");
    assert!(get_page(address, "/metrics").await.contains("odradek_uptime_seconds"));
    assert!(get_page(address, "/none").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_socket_that_is_taken_names_the_key() {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let error = bind(listener.local_addr().unwrap()).await.unwrap_err();
    assert!(error.contains("odradek.http.listener"), "{error}");
}
