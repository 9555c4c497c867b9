//! Whose the folders are: locks, and `meta.properties` in each of them.
//!
//! A folder belongs to one node of one cluster for good. A new folder gets an id of its own, which tells the
//! controllers whether a broker came back with its disk or with an empty one. The cluster's id is written down as
//! soon as it is known: from the configuration, from another folder, or from the controllers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use odradek_log::meta::{MetaProperties, uuid_text};
use odradek_log::{DirLock, Disk, LogError, dirs};
use odradek_node::broker::LogDir;
use odradek_node::controller::stored_directory_id;
use uuid::Uuid;

use crate::config::ServerConfig;

/// The folders of this process, locked until this is dropped.
#[derive(Debug)]
pub struct Identity {
    /// The cluster's id, when any folder or the configuration names it.
    pub cluster_id: Option<String>,
    /// Folders for partitions, in the order of `log.dirs`. Empty for a controller alone.
    pub log_dirs: Vec<LogDir>,
    /// The folder of the metadata log, for a controller.
    pub metadata_dir: Option<LogDir>,
    /// Folders whose `meta.properties` cannot be written before the cluster's id is known.
    unnamed: Unnamed,
    _locks: Vec<Box<dyn DirLock>>,
}

/// Folders that wait for the cluster's id.
#[derive(Debug, Clone)]
pub struct Unnamed {
    disk: Arc<dyn Disk>,
    node_id: i32,
    dirs: Vec<LogDir>,
}

/// Why a process may not use its folders.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Locked, damaged, of another cluster or of another node.
    #[error(transparent)]
    Folder(#[from] LogError),
    /// The controller's vote does not check, or is another node's.
    #[error(transparent)]
    Quorum(#[from] odradek_node::controller::QuorumError),
    /// The folders name two clusters.
    #[error(
        "{} belongs to cluster {one} and {} to cluster {other}: take one of them out of log.dirs",
        one_dir.display(), other_dir.display()
    )]
    TwoClusters {
        /// A folder.
        one_dir: PathBuf,
        /// Its cluster.
        one: String,
        /// Another folder.
        other_dir: PathBuf,
        /// Its cluster.
        other: String,
    },
    /// One folder is a copy of the other.
    #[error(
        "{} and {} have the same directory.id={id}: one is a copy of the other, take it out of log.dirs",
        one.display(), other.display()
    )]
    Copied {
        /// A folder.
        one: PathBuf,
        /// Another folder.
        other: PathBuf,
        /// Of both.
        id: String,
    },
}

impl IdentityError {
    /// Of the process: 1 when the disk failed, 2 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Folder(LogError::Io { .. }) => 1,
            _ => 2,
        }
    }
}

/// Locks every folder, checks whose it is, and claims the new ones. `new_id` draws ids.
///
/// # Errors
///
/// The first folder that this process may not use.
pub fn claim(
    disk: &Arc<dyn Disk>,
    config: &ServerConfig,
    mut new_id: impl FnMut() -> Uuid,
) -> Result<Identity, IdentityError> {
    let mut folders: Vec<&Path> = Vec::new();
    if config.node.broker {
        folders.extend(config.log.dirs.iter().map(PathBuf::as_path));
    }
    let metadata = config.node.controller.then_some(config.log.metadata_dir.as_path());
    folders.extend(metadata.filter(|dir| !folders.contains(dir)));

    let mut locks = Vec::new();
    let mut found = Vec::new();
    for dir in folders {
        dirs::create(disk.as_ref(), dir)?;
        locks.push(dirs::lock(disk.as_ref(), dir)?);
        found.push((dir.to_owned(), MetaProperties::read(disk.as_ref(), dir)?));
    }
    let mut cluster_id = agree(&found, config.own.cluster_id.as_deref())?;
    for (dir, meta) in &found {
        if let (Some(meta), Some(id)) = (meta, &cluster_id) {
            meta.check(dir, id, config.node.id)?;
        }
    }
    if cluster_id.is_none() && makes_the_cluster(disk.as_ref(), config) {
        cluster_id = Some(uuid_text(new_id()));
    }

    let mut ids: BTreeMap<PathBuf, Uuid> = BTreeMap::new();
    let mut unnamed = Unnamed { disk: disk.clone(), node_id: config.node.id, dirs: Vec::new() };
    for (dir, meta) in found {
        let named = meta.as_ref().is_some_and(|meta| meta.directory_id.is_some());
        let mut known = meta.and_then(|meta| meta.directory_id);
        if known.is_none() && metadata == Some(dir.as_path()) {
            // The quorum knows this folder already, though nobody has told the cluster's id yet.
            let log = dir.join(crate::node_config::METADATA_LOG);
            let node = u64::from(config.node.id.unsigned_abs());
            known = stored_directory_id(disk.as_ref(), &log, node)?.map(Uuid::from_bytes);
        }
        let id = known.unwrap_or_else(&mut new_id);
        if let Some((other, _)) = ids.iter().find(|(_, known)| **known == id) {
            return Err(IdentityError::Copied { one: other.clone(), other: dir, id: uuid_text(id) });
        }
        if !named {
            unnamed.dirs.push(LogDir { path: dir.clone(), id });
        }
        ids.insert(dir, id);
    }
    if let Some(id) = &cluster_id {
        unnamed.name(id)?;
        unnamed.dirs.clear();
    }
    let located = |path: &Path| ids.get(path).map(|id| LogDir { path: path.to_owned(), id: *id });
    Ok(Identity {
        log_dirs: match config.node.broker {
            true => config.log.dirs.iter().filter_map(|dir| located(dir)).collect(),
            false => Vec::new(),
        },
        metadata_dir: metadata.and_then(located),
        cluster_id,
        unnamed,
        _locks: locks,
    })
}

/// The cluster that all folders and the configuration name.
fn agree(
    found: &[(PathBuf, Option<MetaProperties>)],
    configured: Option<&str>,
) -> Result<Option<String>, IdentityError> {
    let mut named = found.iter().filter_map(|(dir, meta)| Some((dir, meta.as_ref()?)));
    let Some((one_dir, one)) = named.next() else {
        return Ok(configured.map(str::to_owned));
    };
    // The configuration is compared first: with a wrong id in it, every folder is blamed for it alike.
    let expected = configured.unwrap_or(&one.cluster_id);
    if let Some((other_dir, other)) = named.find(|(_, meta)| meta.cluster_id != one.cluster_id)
        && configured.is_none()
    {
        return Err(IdentityError::TwoClusters {
            one_dir: one_dir.clone(),
            one: one.cluster_id.clone(),
            other_dir: other_dir.clone(),
            other: other.cluster_id.clone(),
        });
    }
    Ok(Some(expected.to_owned()))
}

/// Nobody else could: the only controller, without a metadata log that has the id already.
fn makes_the_cluster(disk: &dyn Disk, config: &ServerConfig) -> bool {
    let log = config.log.metadata_dir.join(crate::node_config::METADATA_LOG);
    let alone = config.quorum.voters.keys().eq([&config.node.id]);
    config.node.controller && alone && !disk.exists(&log)
}

impl Identity {
    /// What has to be written once the cluster's id is known; `None` when all is written.
    #[must_use]
    pub fn unnamed(&self) -> Option<Unnamed> {
        (!self.unnamed.dirs.is_empty()).then(|| self.unnamed.clone())
    }
}

impl Unnamed {
    /// Writes the cluster's id into `meta.properties`.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn name(&self, cluster_id: &str) -> Result<(), LogError> {
        for dir in &self.dirs {
            let meta =
                MetaProperties { cluster_id: cluster_id.to_owned(), node_id: self.node_id, directory_id: Some(dir.id) };
            meta.write(self.disk.as_ref(), &dir.path)?;
        }
        Ok(())
    }
}

/// A new `directory.id`. As of Kafka's ids, none begins with a dash in base64: tools would take it for an option.
pub(crate) fn new_directory_id() -> Uuid {
    first_without_dash(std::iter::repeat_with(Uuid::new_v4))
}

fn first_without_dash(ids: impl IntoIterator<Item = Uuid>) -> Uuid {
    ids.into_iter().find(|id| id.as_bytes()[0] >> 2 != 62).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use odradek_log::MemDisk;

    fn config(overrides: &[&str]) -> ServerConfig {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        ServerConfig::load(None, &overrides, &String::new).unwrap()
    }

    fn claim_on(disk: &Arc<dyn Disk>, overrides: &[&str], seed: u128) -> Result<Identity, IdentityError> {
        let mut next = seed;
        claim(disk, &config(overrides), || {
            next += 1;
            Uuid::from_u128(next << 64 | next)
        })
    }

    fn disk() -> Arc<dyn Disk> {
        Arc::new(MemDisk::new())
    }

    #[test]
    fn no_id_begins_with_a_dash() {
        let ids = [Uuid::from_bytes([0xf8; 16]), Uuid::from_bytes([0xfb; 16]), Uuid::from_bytes([0xfc; 16])];
        assert_eq!(first_without_dash(ids), ids[2]);
    }

    #[test]
    fn a_new_node_makes_a_cluster_and_finds_it_again() {
        let disk = disk();
        let first = claim_on(&disk, &["log.dirs=/a,/b"], 1).unwrap();
        assert!(first.cluster_id.is_some() && first.unnamed().is_none());
        assert_eq!(first.log_dirs.len(), 2);
        assert_ne!(first.log_dirs[0].id, first.log_dirs[1].id);
        assert_eq!(first.metadata_dir.as_ref().unwrap().id, first.log_dirs[0].id, "one folder, one id");
        let ids: Vec<_> = first.log_dirs.iter().map(|dir| dir.id).collect();
        let cluster = first.cluster_id.clone();
        drop(first);
        let second = claim_on(&disk, &["log.dirs=/a,/b"], 100).unwrap();
        assert_eq!(second.cluster_id, cluster);
        assert_eq!(second.log_dirs.iter().map(|dir| dir.id).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn a_folder_is_used_by_one_process() {
        let disk = disk();
        let _first = claim_on(&disk, &["log.dirs=/a"], 1).unwrap();
        let error = claim_on(&disk, &["log.dirs=/a"], 2).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("/a/.lock"), "{error}");
    }

    #[test]
    fn another_cluster_or_another_node_is_told_with_both_ids() {
        let disk = disk();
        drop(claim_on(&disk, &["log.dirs=/a", "odradek.cluster.id=ours"], 1).unwrap());
        let error = claim_on(&disk, &["log.dirs=/a", "odradek.cluster.id=theirs"], 1).unwrap_err();
        assert!(error.to_string().contains("ours") && error.to_string().contains("theirs"), "{error}");
        assert_eq!(error.exit_code(), 2);
        let other = ["log.dirs=/a", "node.id=2", "controller.quorum.voters=2@localhost:9093"];
        let error = claim_on(&disk, &other, 1).unwrap_err();
        assert!(error.to_string().contains("node 1") && error.to_string().contains("node 2"), "{error}");
    }

    #[test]
    fn folders_of_two_clusters_and_copies() {
        let disk = disk();
        drop(claim_on(&disk, &["log.dirs=/a", "odradek.cluster.id=one"], 1).unwrap());
        drop(claim_on(&disk, &["log.dirs=/b", "odradek.cluster.id=two"], 50).unwrap());
        let error = claim_on(&disk, &["log.dirs=/a,/b"], 100).unwrap_err();
        assert!(matches!(error, IdentityError::TwoClusters { .. }), "{error}");
        drop(claim_on(&disk, &["log.dirs=/c", "odradek.cluster.id=one"], 1).unwrap());
        let error = claim_on(&disk, &["log.dirs=/a,/c"], 100).unwrap_err();
        assert!(matches!(error, IdentityError::Copied { .. }), "{error}");
    }

    #[test]
    fn a_folder_waits_for_the_clusters_id() {
        let disk = disk();
        let many = ["log.dirs=/a", "controller.quorum.voters=1@c1:9093,2@c2:9093,3@c3:9093"];
        let identity = claim_on(&disk, &many, 1).unwrap();
        assert_eq!(identity.cluster_id, None);
        let id = identity.log_dirs[0].id;
        identity.unnamed().unwrap().name("learnt").unwrap();
        drop(identity);
        let identity = claim_on(&disk, &many, 50).unwrap();
        assert_eq!(identity.cluster_id.as_deref(), Some("learnt"));
        assert_eq!(identity.log_dirs[0].id, id);
    }

    #[test]
    fn a_metadata_log_without_its_meta_properties_keeps_its_cluster() {
        let disk = disk();
        disk.create_dir_all(Path::new("/a/__cluster_metadata-0")).unwrap();
        let identity = claim_on(&disk, &["log.dirs=/a"], 1).unwrap();
        assert_eq!(identity.cluster_id, None, "the log knows the id");
    }
}
