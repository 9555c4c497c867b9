//! The registered brokers.

use std::ops::RangeInclusive;
use std::sync::Arc;

use imbl::OrdMap;
use uuid::Uuid;

use super::error::{ApplyError, uuid};
use crate::metadata::record::{self, Listener, Record, SupportedFeature};
use odradek_wire::features::{METADATA_VERSION, MetadataVersion};

/// A registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// The offset of its registration; larger with each one.
    pub epoch: i64,
    /// Drawn by the process when it started.
    pub incarnation: Uuid,
    /// Where it listens, in the order of its configuration.
    pub listeners: Vec<Listener>,
    /// Its rack, when it has one.
    pub rack: Option<String>,
    /// The ids of its log directories.
    pub log_dirs: Vec<Uuid>,
    /// A fenced broker leads nothing, is in no in-sync set that has another member, and is not
    /// shown to clients.
    pub fenced: bool,
    /// It is about to stop: it gets no leadership.
    pub in_controlled_shutdown: bool,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
}

impl Broker {
    /// The levels of a feature that it supports; 0 alone of one that it does not know.
    #[must_use]
    pub fn supports(&self, feature: &str) -> RangeInclusive<i32> {
        match self.features.iter().find(|known| known.name == feature) {
            Some(known) => known.min..=known.max,
            // A registration without features is of a release that had one level, and did not tell.
            None if feature == METADATA_VERSION => {
                let only = i32::from(MetadataVersion::IV0_4_1.level());
                only..=only
            }
            None => 0..=0,
        }
    }

    /// Whether it may lead and join in-sync sets.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// The address of the listener called `name`.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.name == name)
    }

    fn to_record(&self) -> Record {
        record::RegisterBroker {
            broker_id: self.id,
            broker_epoch: self.epoch,
            incarnation: self.incarnation.as_bytes().to_vec(),
            listeners: self.listeners.clone(),
            rack: self.rack.clone(),
            log_dirs: self.log_dirs.iter().map(|id| id.as_bytes().to_vec()).collect(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            features: self.features.clone(),
        }
        .into()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Brokers {
    by_id: OrdMap<i32, Arc<Broker>>,
}

impl Brokers {
    pub(super) fn get(&self, id: i32) -> Option<&Arc<Broker>> {
        self.by_id.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.by_id.values()
    }

    pub(super) fn map(&self) -> &OrdMap<i32, Arc<Broker>> {
        &self.by_id
    }

    pub(super) fn register(&mut self, change: &record::RegisterBroker) -> Result<(), ApplyError> {
        if let Some(had) = self.by_id.get(&change.broker_id)
            && change.broker_epoch < had.epoch
        {
            return Err(ApplyError::BrokerEpochBack {
                id: change.broker_id,
                epoch: change.broker_epoch,
                had: had.epoch,
            });
        }
        let broker = Broker {
            id: change.broker_id,
            epoch: change.broker_epoch,
            incarnation: uuid(&change.incarnation)?,
            listeners: change.listeners.clone(),
            rack: change.rack.clone(),
            log_dirs: change.log_dirs.iter().map(|id| uuid(id)).collect::<Result<_, _>>()?,
            fenced: change.fenced,
            in_controlled_shutdown: change.in_controlled_shutdown,
            features: change.features.clone(),
        };
        self.by_id.insert(broker.id, Arc::new(broker));
        Ok(())
    }

    pub(super) fn change(&mut self, change: &record::BrokerChange) -> Result<(), ApplyError> {
        let broker = self.under_epoch(change.broker_id, change.broker_epoch)?;
        let broker = Arc::make_mut(broker);
        if let Some(fenced) = change.fenced {
            broker.fenced = fenced;
        }
        if let Some(in_controlled_shutdown) = change.in_controlled_shutdown {
            broker.in_controlled_shutdown = in_controlled_shutdown;
        }
        Ok(())
    }

    pub(super) fn unregister(&mut self, change: &record::UnregisterBroker) -> Result<(), ApplyError> {
        self.under_epoch(change.broker_id, change.broker_epoch)?;
        self.by_id.remove(&change.broker_id);
        Ok(())
    }

    fn under_epoch(&mut self, id: i32, epoch: i64) -> Result<&mut Arc<Broker>, ApplyError> {
        self.by_id.get_mut(&id).filter(|broker| broker.epoch == epoch).ok_or(ApplyError::UnknownBroker { id, epoch })
    }

    pub(super) fn to_records(&self, records: &mut Vec<Record>) {
        records.extend(self.iter().map(|broker| broker.to_record()));
    }
}
