//! Leader election by a Lease, so that one process at a time reconciles.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{Instant, sleep};

use crate::backoff::jitter;

/// How long a leader that fell silent keeps the lease.
const LEASE: Duration = Duration::from_secs(15);
/// How often the leader renews it.
const RENEW: Duration = Duration::from_secs(5);
/// How often the others try.
const RETRY: Duration = Duration::from_secs(2);

/// One candidate.
#[derive(Clone, Debug)]
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
}

impl Candidate {
    /// A candidate for the lease of a name in a namespace.
    pub fn new(client: Client, namespace: &str, name: &str, identity: String) -> Self {
        Candidate { api: Api::namespaced(client, namespace), name: name.to_owned(), identity }
    }

    /// Waits until this process holds the lease.
    pub async fn acquire(&self) {
        let mut told = false;
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) if !told => {
                    tracing::info!(lease = self.name, "another process is the leader; waiting");
                    told = true;
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, lease = self.name, "cannot take the lease"),
            }
            sleep(jitter(RETRY)).await;
        }
    }

    /// Renews the lease, and returns when it is lost: another process leads by then.
    pub async fn hold(&self) {
        let mut renewed = Instant::now();
        loop {
            sleep(RENEW).await;
            match self.attempt().await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, lease = self.name, "cannot renew the lease");
                    if renewed.elapsed() > LEASE - RENEW {
                        return;
                    }
                }
            }
        }
    }

    /// Gives the lease up, so that the next process need not wait for it to run out.
    pub async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        if holder(&lease) != Some(self.identity.as_str()) {
            return;
        }
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
        }
        if let Err(error) = self.api.replace(&self.name, &PostParams::default(), &lease).await {
            tracing::warn!(%error, lease = self.name, "cannot give the lease up");
        }
    }

    /// Takes or renews the lease. The resource version makes one of two who try at once fail.
    async fn attempt(&self) -> Result<bool, kube::Error> {
        let now = Timestamp::now();
        let result = match self.api.get_opt(&self.name).await? {
            None => self.api.create(&PostParams::default(), &self.lease(None, now)).await,
            Some(current) if is_free(&current, &self.identity, now) => {
                let lease = self.lease(Some(current), now);
                self.api.replace(&self.name, &PostParams::default(), &lease).await
            }
            Some(_) => return Ok(false),
        };
        match result {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lease(&self, current: Option<Lease>, now: Timestamp) -> Lease {
        let mine = current.as_ref().and_then(holder) == Some(self.identity.as_str());
        let old = current.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let metadata = current.map_or_else(
            || ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            |lease| lease.metadata,
        );
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
                acquire_time: if mine { old.acquire_time } else { Some(MicroTime(now)) },
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(!mine)),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Whether a candidate may take the lease: it has it already, nobody has it, or it has run out.
fn is_free(lease: &Lease, identity: &str, now: Timestamp) -> bool {
    let Some(holder) = holder(lease) else { return true };
    let Some(spec) = &lease.spec else { return true };
    let Some(MicroTime(renewed)) = spec.renew_time else { return true };
    let length = i64::from(spec.lease_duration_seconds.unwrap_or(0));
    holder == identity || renewed + SignedDuration::from_secs(length) < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_free_for_its_holder_and_after_its_time() {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some("a".to_owned()),
                lease_duration_seconds: Some(15),
                renew_time: Some(MicroTime(at(1000))),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        assert!(is_free(&lease, "a", at(1001)));
        assert!(!is_free(&lease, "b", at(1014)));
        assert!(is_free(&lease, "b", at(1016)));
        let mut released = lease;
        released.spec.as_mut().expect("a spec").holder_identity = None;
        assert!(is_free(&released, "b", at(1001)));
    }
}
