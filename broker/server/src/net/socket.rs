//! Sockets with the options that the configuration names.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// `socket.*` keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SocketOptions {
    pub(super) send_buffer: Option<usize>,
    pub(super) receive_buffer: Option<usize>,
    pub(super) backlog: i32,
}

/// Listens on the first address of `host` (every interface when it is empty) that can be had.
pub(super) async fn listen(host: &str, port: u16, options: SocketOptions) -> io::Result<TcpListener> {
    let mut addresses: Vec<SocketAddr> = if host.is_empty() {
        vec![(Ipv6Addr::UNSPECIFIED, port).into(), (IpAddr::from([0, 0, 0, 0]), port).into()]
    } else {
        tokio::net::lookup_host((host, port)).await?.collect()
    };
    if !host.is_empty() {
        // As Kafka: `localhost` is 127.0.0.1 where it is ::1 too, for those who write the number.
        addresses.sort_by_key(SocketAddr::is_ipv6);
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in addresses {
        match bind(address, options) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(io::Error::new(last.kind(), format!("cannot listen on {host:?} port {port}: {last}")))
}

fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // One socket for both families where every interface is meant.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Before listen: the window that a connection may have is fixed when it is made.
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    TcpListener::from_std(socket.into())
}

/// Options of an accepted connection.
pub(super) fn tune(stream: &TcpStream, options: SocketOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new())?;
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    Ok(())
}
