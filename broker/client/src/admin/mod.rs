//! Admin calls.

mod broker_configs;
mod cluster;
mod configs;
mod features;
mod leaders;
mod log_dirs;
mod quorum;
mod reassignments;
mod topics;
pub mod types;

use std::sync::Arc;

use odradek_wire::protocol::{Request, StrBytes};
use tokio::sync::Mutex;

use crate::conn::Connection;
use crate::{ClientConfig, Error};

/// Admin client of one cluster. Clones share its connection, which is made at the first call and
/// again after it broke. Any broker will do: brokers pass on what the controller decides.
///
/// Calls that only read are tried a second time on a new connection when the first broke under
/// them; calls that change something are not, since the first may have been carried out.
#[derive(Debug, Clone)]
pub struct Admin {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ClientConfig,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    connection: Option<Connection>,
    /// Index of the bootstrap address that worked last.
    address: usize,
}

impl Admin {
    /// A client that has not connected yet.
    pub fn new(config: ClientConfig) -> Admin {
        Admin { inner: Arc::new(Inner { config, current: Mutex::default() }) }
    }

    /// A client of the same cluster with a connection of its own: its answers do not wait behind those of this one.
    pub fn apart(&self) -> Admin {
        Admin::new(self.inner.config.clone())
    }

    /// The open connection, or a new one to the first bootstrap address that answers.
    async fn connection(&self) -> Result<Connection, Error> {
        let config = &self.inner.config;
        // Held while connecting, so that calls side by side share one attempt.
        let mut current = self.inner.current.lock().await;
        if let Some(connection) = &current.connection
            && !connection.is_closed()
        {
            return Ok(connection.clone());
        }
        current.connection = None;
        let mut tried = Vec::new();
        for step in 0..config.bootstrap.len() {
            let index = (current.address + step) % config.bootstrap.len();
            let address = &config.bootstrap[index];
            let attempt =
                Connection::connect(address, &config.client_id, config.connect_timeout, config.request_timeout);
            match attempt.await {
                Ok(connection) => {
                    current.address = index;
                    current.connection = Some(connection.clone());
                    return Ok(connection);
                }
                Err(error) => tried.push(format!("{address}: {error}")),
            }
        }
        if tried.is_empty() {
            tried.push("the list of addresses is empty".to_owned());
        }
        Err(Error::Unreachable { tried })
    }

    /// Drops a connection that proved useless, unless a newer one is there already.
    async fn forget(&self, connection: &Connection) {
        let mut current = self.inner.current.lock().await;
        let same = current.connection.as_ref().is_some_and(|open| open.is_same(connection));
        if same {
            current.connection = None;
            // A broker that does not answer is not asked first next time.
            current.address += 1;
        }
    }

    /// One exchange on the open connection. `build` makes the request for the agreed version,
    /// which lies from `least` on.
    async fn exchange<R: Request>(
        &self,
        least: i16,
        build: &(impl Fn(i16) -> R + Sync),
    ) -> Result<(i16, R::Response), Error> {
        let connection = self.connection().await?;
        let version = connection.version_within::<R>(least, i16::MAX)?;
        match connection.call(version, &build(version)).await {
            Ok(response) => Ok((version, response)),
            Err(error) => {
                if matches!(error, Error::Disconnected { .. } | Error::TimedOut { .. }) {
                    self.forget(&connection).await;
                }
                Err(error)
            }
        }
    }

    /// [`Admin::exchange`] for requests that change nothing: tried again once when the connection
    /// broke.
    async fn read<R: Request>(&self, least: i16, build: impl Fn(i16) -> R + Sync) -> Result<(i16, R::Response), Error> {
        match self.exchange(least, &build).await {
            Err(Error::Disconnected { .. }) => self.exchange(least, &build).await,
            other => other,
        }
    }
}

fn text(of: &str) -> StrBytes {
    StrBytes::from_string(of.to_owned())
}
