//! Names to connections.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Resolves `host:port` anew and connects to the first of its addresses that answers, within
/// `limit` altogether. Errors name the address that failed.
pub(crate) async fn connect(address: &str, limit: Duration) -> io::Result<TcpStream> {
    let attempt = async {
        let mut last = None;
        for candidate in lookup_host(address).await? {
            match TcpStream::connect(candidate).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => {
                    last = Some(io::Error::new(error.kind(), format!("{candidate}: {error}")));
                }
            }
        }
        Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{address} has no address"))))
    };
    match timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection to {address} within {limit:?}"))),
    }
}
