//! The way back after a lost quorum: one controller's disk becomes the metadata.

use std::sync::Arc;

use bytes::Bytes;
use odradek_core::metadata::image::Image;
use odradek_core::time::Now;
use odradek_log::Disk;
use odradek_quorum::{Quorum, Recovered};

use super::error::ControllerError;
use super::{ControllerNode, ControllerNodeConfig, entry};

/// What a controller's disk holds, and what is lost when the quorum begins anew with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The log, and what is made of it.
    pub log: Recovered,
    /// The cluster that it is of.
    pub cluster_id: Option<String>,
    /// Brokers that it knows.
    pub brokers: usize,
    /// Topics that it knows.
    pub topics: usize,
}

impl ControllerNode {
    /// Makes this controller the only voter, with what its disk holds; what was committed after its last entry is lost.
    /// Nothing is changed unless `confirm` says so. The process that uses the folder must not run.
    ///
    /// # Errors
    ///
    /// The disk, damage, a folder of another node or cluster, or one that holds nothing.
    pub fn recover(
        config: &ControllerNodeConfig,
        disk: Arc<dyn Disk>,
        now: Now,
        confirm: impl FnOnce(&Loss) -> bool,
    ) -> Result<Option<Loss>, ControllerError> {
        let mut told = None;
        Quorum::recover(disk, config.dir.clone(), &config.quorum(0), now.wall_ms, |snapshot, entries, found| {
            let mut image = Image::new();
            if let Some(snapshot) = snapshot {
                let index = snapshot.index;
                let records =
                    entry::decode(&snapshot.data).map_err(|reason| ControllerError::Entry { index, reason })?;
                image =
                    Image::from_records(index, &records).map_err(|source| ControllerError::Apply { index, source })?;
            }
            for entry in entries {
                let index = entry.index;
                let records = entry::decode(&entry.data).map_err(|reason| ControllerError::Entry { index, reason })?;
                for record in &records {
                    image.apply(index, record).map_err(|source| ControllerError::Apply { index, source })?;
                }
            }
            if let (Some(stored), Some(configured)) = (image.cluster_id(), &config.cluster_id)
                && stored != configured
            {
                let (stored, configured) = (stored.to_owned(), configured.clone());
                return Err(ControllerError::InconsistentClusterId { stored, configured });
            }
            let loss = Loss {
                log: found.clone(),
                cluster_id: image.cluster_id().map(str::to_owned),
                brokers: image.brokers().count(),
                topics: image.topic_count(),
            };
            let go_on = confirm(&loss);
            told = Some(loss);
            Ok(go_on.then(|| Bytes::from(entry::encode(&image.to_records()))))
        })
        .map(|done| done.and(told))
    }
}
