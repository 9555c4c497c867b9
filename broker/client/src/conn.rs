//! One connection to one broker, with typed requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use odradek_wire::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use odradek_wire::protocol::{Request, StrBytes, VersionRange};
use odradek_wire::{ResponseError, request, response};

use crate::error::{Error, KafkaError};
use crate::resolve;
use crate::transport::{Transport, TransportError};

/// Version of ApiVersions that is tried first: the least that tells a broker who connects
/// (KIP-511).
const API_VERSIONS: i16 = 3;

/// A connection whose versions are agreed on. Clones share it. Requests may wait side by side and
/// are answered by correlation id. It does not reconnect.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: String,
    client_id: String,
    request_timeout: Duration,
    transport: Transport,
    next_id: AtomicI32,
    served: BTreeMap<i16, VersionRange>,
}

impl Connection {
    /// Connects to `host:port` and asks for the broker's versions, within `connect_timeout` each.
    pub async fn connect(
        address: &str,
        client_id: &str,
        connect_timeout: Duration,
        request_timeout: Duration,
    ) -> Result<Connection, Error> {
        let stream = resolve::connect(address, connect_timeout)
            .await
            .map_err(|error| Error::Disconnected { address: address.to_owned(), reason: error.to_string() })?;
        let mut inner = Inner {
            address: address.to_owned(),
            client_id: client_id.to_owned(),
            request_timeout: connect_timeout,
            transport: Transport::start(stream),
            next_id: AtomicI32::new(0),
            served: BTreeMap::new(),
        };
        inner.served = inner.ask_versions().await?;
        inner.request_timeout = request_timeout;
        Ok(Connection { inner: Arc::new(inner) })
    }

    /// The address that it was made with.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Whether it broke.
    pub fn is_closed(&self) -> bool {
        self.inner.transport.is_closed()
    }

    /// Whether both are handles of one connection.
    pub(crate) fn is_same(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Versions that the broker serves of an API; `None` when it does not have it.
    pub fn served(&self, api_key: i16) -> Option<VersionRange> {
        self.inner.served.get(&api_key).copied()
    }

    /// The largest version from `min` to `max` that the broker, and the definitions here, have of
    /// `R`. Error when there is none.
    pub fn version_within<R: Request>(&self, min: i16, max: i16) -> Result<i16, Error> {
        let wanted = VersionRange { min, max }.intersect(&R::VERSIONS);
        let both = self.served(R::KEY).map(|served| served.intersect(&wanted)).filter(|both| !both.is_empty());
        match both {
            Some(both) => Ok(both.max),
            None => Err(Error::Unsupported {
                address: self.inner.address.clone(),
                api_key: R::KEY,
                min: wanted.min,
                max: wanted.max,
            }),
        }
    }

    /// [`Connection::version_within`] of all that is defined here.
    pub fn version<R: Request>(&self) -> Result<i16, Error> {
        self.version_within::<R>(R::VERSIONS.min, R::VERSIONS.max)
    }

    /// Sends a request in the given version and waits for its answer.
    pub async fn call<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, Error> {
        self.inner.call(version, request).await
    }
}

impl Inner {
    async fn call<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, Error> {
        let frame = self.exchange(version, request).await?;
        Ok(response::decode(R::KEY, version, frame)?)
    }

    async fn exchange<R: Request>(&self, version: i16, request: &R) -> Result<bytes::Bytes, Error> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = request::encode(version, id, &self.client_id, request)?;
        let answer = self.transport.call(frame, id, self.request_timeout).await;
        answer.map_err(|error| match error {
            TransportError::Disconnected(reason) => Error::Disconnected { address: self.address.clone(), reason },
            TransportError::TimedOut => Error::TimedOut { address: self.address.clone(), after: self.request_timeout },
        })
    }

    async fn ask_versions(&self) -> Result<BTreeMap<i16, VersionRange>, Error> {
        let key = ApiKey::ApiVersions as i16;
        let asked = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("odradek-client"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let frame = self.exchange(API_VERSIONS, &asked).await?;
        // A broker that is too old for it answers in version 0, which begins alike.
        let unsupported = ResponseError::UnsupportedVersion.code();
        let answer = match frame.get(4..6) {
            Some(code) if code == unsupported.to_be_bytes() => self.call(0, &ApiVersionsRequest::default()).await?,
            _ => response::decode::<ApiVersionsResponse>(key, API_VERSIONS, frame)?,
        };
        KafkaError::check(answer.error_code, None)?;
        let ranges = answer.api_keys.iter().map(|api| {
            let range = VersionRange { min: api.min_version, max: api.max_version };
            (api.api_key, range)
        });
        Ok(ranges.collect())
    }
}
