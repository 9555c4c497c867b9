//! A broker process takes its id.

use std::collections::BTreeSet;

use odradek_probe::{Mutation, mutated, reached};

use uuid::Uuid;

use super::Controller;
use super::election::Loss;
use crate::metadata::image::Broker;
use crate::metadata::record::RegisterBroker;
use crate::metadata::rpc::{RegisterBrokerRequest, RegisterBrokerResponse};
use crate::time::Now;
use odradek_wire::ResponseError;

impl Controller {
    pub(super) fn register(&mut self, now: Now, request: &RegisterBrokerRequest) -> RegisterBrokerResponse {
        let cluster_id = self.image.cluster_id().unwrap_or(&self.config.cluster_id).to_owned();
        let checked = self
            .check_cluster(request, &cluster_id)
            .and_then(|()| self.check_memory(request))
            .and_then(|()| self.check_features(&request.features).map_err(|refused| (refused.error, refused.message)))
            .and_then(|()| Valid::new(request))
            .and_then(|valid| self.check_duplicate(now, request, &valid).map(|()| valid));
        match checked {
            Ok(valid) => RegisterBrokerResponse {
                error_code: 0,
                error_message: String::new(),
                broker_epoch: self.accept(now, request, &valid),
                cluster_id,
            },
            Err((error, error_message)) => {
                tracing::warn!(broker = request.broker_id, error_message, "registration refused");
                RegisterBrokerResponse {
                    error_code: i32::from(error.code()),
                    error_message,
                    broker_epoch: -1,
                    cluster_id: String::new(),
                }
            }
        }
    }

    fn check_cluster(&self, request: &RegisterBrokerRequest, cluster_id: &str) -> Result<(), Refusal> {
        // A broker with empty folders does not know the cluster yet.
        if request.cluster_id.is_empty() || request.cluster_id == cluster_id {
            return Ok(());
        }
        Err((
            ResponseError::InconsistentClusterId,
            format!("Expected cluster ID {cluster_id}, but got cluster ID {}", request.cluster_id),
        ))
    }

    /// A broker of this cluster that holds partitions, and metadata that knows neither it nor any topic: the controllers
    /// lost their disks. It would remove everything as strays.
    fn check_memory(&self, request: &RegisterBrokerRequest) -> Result<(), Refusal> {
        let known = self.image.broker(request.broker_id).is_some() || self.image.topic_count() > 0;
        if known || request.held_partitions == 0 || request.cluster_id.is_empty() {
            return Ok(());
        }
        Err((
            ResponseError::InvalidRegistration,
            format!(
                "Broker {} holds {} partitions of cluster {}, but the controllers' metadata is new: it knows neither the \
                 broker nor any topic. The controllers lost their disks. Bring one of those disks back (see \
                 recover-quorum), or empty the broker's log.dirs to begin anew.",
                request.broker_id, request.held_partitions, request.cluster_id
            ),
        ))
    }

    /// One id, one process; one log directory, one broker.
    fn check_duplicate(&self, now: Now, request: &RegisterBrokerRequest, valid: &Valid) -> Result<(), Refusal> {
        for other in self.image.brokers().filter(|other| other.id != request.broker_id) {
            if let Some(dir) = valid.log_dirs.iter().find(|dir| other.log_dirs.contains(dir)) {
                return Err((
                    ResponseError::InvalidRegistration,
                    format!("Broker {} is already registered with directory {dir}", other.id),
                ));
            }
        }
        let Some(registered) = self.image.broker(request.broker_id) else {
            return Ok(());
        };
        if registered.incarnation == valid.incarnation || !self.sessions.is_live(request.broker_id, now.mono_ms) {
            return Ok(());
        }
        // A directory is locked by the process that uses it. When nothing is heard of the one
        // before, and this one holds its directories, the one before is gone.
        if self.sessions.is_in_doubt(request.broker_id) && valid.has_all_dirs_of(registered) {
            return Ok(());
        }
        Err((
            ResponseError::DuplicateBrokerRegistration,
            format!(
                "Another broker is registered with broker id {}. If the broker was recently \
                 restarted this should self-resolve once its session has expired.",
                request.broker_id
            ),
        ))
    }

    /// Writes the registration; the broker's epoch.
    fn accept(&mut self, now: Now, request: &RegisterBrokerRequest, valid: &Valid) -> i64 {
        let before = self.image.broker(request.broker_id).cloned();
        if let Some(broker) = before.as_ref().filter(|it| it.incarnation == valid.incarnation) {
            // The same process: it did not get the answer, or something about it changed.
            self.sessions.touch(broker.id, now.mono_ms);
            self.amend(request, valid, broker);
            return broker.epoch;
        }
        let epoch = i64::try_from(self.offset).unwrap_or(i64::MAX);
        self.write(valid.to_record(request, epoch));
        self.sessions.open(request.broker_id, now.mono_ms);
        let loss = before.and_then(|broker| {
            // Even after a clean stop: what was not fenced until now is from now on.
            let loss = valid.loss_since(&broker, request.previous_broker_epoch);
            loss.or((!broker.fenced).then_some(Loss::Fenced))
        });
        tracing::info!(broker = request.broker_id, epoch, ?loss, "a broker registered");
        if let Some(loss) = loss
            && !(loss == Loss::Data && mutated(Mutation::EmptyDiskStaysInSync))
        {
            reached(if loss == Loss::Data {
                "registration with an empty disk"
            } else {
                "registration after an unclean stop"
            });
            self.lose(&BTreeSet::from([request.broker_id]), loss);
        }
        epoch
    }

    fn amend(&mut self, request: &RegisterBrokerRequest, valid: &Valid, broker: &Broker) {
        if request.listeners == broker.listeners
            && request.rack == broker.rack
            && valid.log_dirs == broker.log_dirs
            && request.features == broker.features
        {
            return;
        }
        self.write(RegisterBroker {
            fenced: broker.fenced,
            in_controlled_shutdown: broker.in_controlled_shutdown,
            ..valid.to_record(request, broker.epoch)
        });
        if let Some(loss) = valid.loss_since(broker, broker.epoch) {
            self.lose(&BTreeSet::from([broker.id]), loss);
        }
    }
}

type Refusal = (ResponseError, String);

/// A request whose own content is in order.
struct Valid {
    incarnation: Uuid,
    log_dirs: Vec<Uuid>,
}

impl Valid {
    fn new(request: &RegisterBrokerRequest) -> Result<Valid, Refusal> {
        let invalid = |message: String| (ResponseError::InvalidRegistration, message);
        if request.broker_id < 0 {
            return Err(invalid(format!("Invalid broker id {}", request.broker_id)));
        }
        let id = |bytes: &Vec<u8>, what: &str| {
            Uuid::from_slice(bytes).map_err(|_| invalid(format!("{what} has {} bytes, not 16", bytes.len())))
        };
        let incarnation = id(&request.incarnation, "The incarnation")?;
        let log_dirs =
            request.log_dirs.iter().map(|dir| id(dir, "A log directory's id")).collect::<Result<Vec<_>, _>>()?;
        if log_dirs.is_empty() {
            return Err(invalid("No directories specified in request".to_owned()));
        }
        if log_dirs.iter().collect::<BTreeSet<_>>().len() < log_dirs.len() {
            return Err(invalid("Duplicate directory ID in request".to_owned()));
        }
        if request.listeners.is_empty() {
            return Err(invalid("No listeners specified in request".to_owned()));
        }
        Ok(Valid { incarnation, log_dirs })
    }

    fn has_all_dirs_of(&self, broker: &Broker) -> bool {
        broker.log_dirs.iter().all(|dir| self.log_dirs.contains(dir))
    }

    /// What the broker lost since it was registered; `None` when nothing.
    fn loss_since(&self, broker: &Broker, clean_epoch: i64) -> Option<Loss> {
        if !self.has_all_dirs_of(broker) {
            Some(Loss::Data)
        } else if clean_epoch != broker.epoch {
            // Its page cache may be gone; what was flushed is there (KIP-966).
            Some(Loss::Unclean)
        } else {
            None
        }
    }

    fn to_record(&self, request: &RegisterBrokerRequest, epoch: i64) -> RegisterBroker {
        RegisterBroker {
            broker_id: request.broker_id,
            broker_epoch: epoch,
            incarnation: request.incarnation.clone(),
            listeners: request.listeners.clone(),
            rack: request.rack.clone(),
            log_dirs: request.log_dirs.clone(),
            fenced: true,
            in_controlled_shutdown: false,
            features: request.features.clone(),
        }
    }
}
