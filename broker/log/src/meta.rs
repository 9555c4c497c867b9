//! Small files that say whose a folder is and how it was left.

mod base64;

use std::io;
use std::path::Path;

use uuid::Uuid;

use crate::disk::{Disk, OpenMode, read_file, write_atomic};
use crate::error::LogError;
pub use base64::{parse_uuid, uuid_text};

/// The folder's owner: cluster, node, and the folder's own id.
pub const META_PROPERTIES: &str = "meta.properties";
/// There when the last process closed every log.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Locked while a process uses the folder.
pub const LOCK: &str = ".lock";
/// The topic of a partition's folder.
pub const PARTITION_METADATA: &str = "partition.metadata";

fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, LogError> {
    match read_file(disk, path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(damaged(path, "it is not text".to_owned())),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(LogError::io("read", path)(e)),
    }
}

fn damaged(path: &Path, reason: String) -> LogError {
    LogError::Damaged { path: path.to_owned(), reason }
}

/// `meta.properties`, version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id`; none in folders formatted before Kafka 3.7.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the file in a log folder; none when the folder is new.
    ///
    /// # Errors
    /// [`LogError::Damaged`] says what is missing or unreadable; the disk's errors.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<MetaProperties>, LogError> {
        let path = dir.join(META_PROPERTIES);
        let Some(text) = read_text(disk, &path)? else { return Ok(None) };
        let value = |key: &str| property(&text, key);
        let version = value("version").unwrap_or_else(|| "0".to_owned());
        if version != "1" {
            return Err(damaged(&path, format!("version={version}, 1 was expected")));
        }
        let cluster_id = value("cluster.id").ok_or_else(|| damaged(&path, "cluster.id is missing".to_owned()))?;
        let node = value("node.id").ok_or_else(|| damaged(&path, "node.id is missing".to_owned()))?;
        let node_id = node.parse().map_err(|_| damaged(&path, format!("node.id={node} is no number")))?;
        let directory_id = match value("directory.id") {
            None => None,
            Some(text) => {
                Some(parse_uuid(&text).ok_or_else(|| damaged(&path, format!("directory.id={text} is no id")))?)
            }
        };
        Ok(Some(MetaProperties { cluster_id, node_id, directory_id }))
    }

    /// Writes the file, synced.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(META_PROPERTIES);
        let mut text = format!("#\ncluster.id={}\n", self.cluster_id);
        if let Some(id) = self.directory_id {
            text.push_str(&format!("directory.id={}\n", uuid_text(id)));
        }
        text.push_str(&format!("node.id={}\nversion=1\n", self.node_id));
        write_atomic(disk, &path, text.as_bytes()).map_err(LogError::io("write", path))
    }

    /// Whether the folder is this node's.
    ///
    /// # Errors
    /// [`LogError::WrongCluster`] or [`LogError::WrongNode`], with both values.
    pub fn check(&self, dir: &Path, cluster_id: &str, node_id: i32) -> Result<(), LogError> {
        let path = dir.join(META_PROPERTIES);
        if self.cluster_id != cluster_id {
            return Err(LogError::WrongCluster {
                path,
                found: self.cluster_id.clone(),
                expected: cluster_id.to_owned(),
            });
        }
        if self.node_id != node_id {
            return Err(LogError::WrongNode { path, found: self.node_id, expected: node_id });
        }
        Ok(())
    }
}

/// A value of a Java properties file, as far as Kafka's own files need it.
fn property(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.trim();
        if line.starts_with(['#', '!']) {
            return None;
        }
        let (name, value) = line.split_once(['=', ':'])?;
        // Java escapes these few signs in values.
        (name.trim() == key).then(|| value.trim().replace('\\', ""))
    })
}

/// `.kafka_cleanshutdown`: every log was closed, and this was the broker's epoch (KIP-966).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanShutdown {
    /// -1 when the broker had none.
    pub broker_epoch: i64,
}

impl CleanShutdown {
    /// Reads the marker of a log folder; none when the last stop was not clean. A marker that cannot be read still
    /// is one, without an epoch: older Kafka wrote it empty.
    ///
    /// # Errors
    /// The disk's.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<CleanShutdown>, LogError> {
        let path = dir.join(CLEAN_SHUTDOWN);
        match read_text(disk, &path) {
            Ok(None) => Ok(None),
            Ok(Some(text)) => {
                let epoch = serde_json::from_str::<serde_json::Value>(&text)
                    .ok()
                    .and_then(|value| value.get("brokerEpoch")?.as_i64());
                Ok(Some(CleanShutdown { broker_epoch: epoch.unwrap_or(-1) }))
            }
            Err(LogError::Damaged { .. }) => Ok(Some(CleanShutdown { broker_epoch: -1 })),
            Err(e) => Err(e),
        }
    }

    /// Writes the marker, synced: the very last thing before the process ends.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(CLEAN_SHUTDOWN);
        let text = format!("{{\"version\":0,\"brokerEpoch\":{}}}", self.broker_epoch);
        write_atomic(disk, &path, text.as_bytes()).map_err(LogError::io("write", path))
    }

    /// Removes the marker for good: before anything is written to any log of the folder.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove(disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(CLEAN_SHUTDOWN);
        match disk.remove_file(&path) {
            Ok(()) => disk.sync_dir(dir).map_err(LogError::io("sync", dir)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(LogError::io("remove", path)(e)),
        }
    }
}

/// `partition.metadata`: which topic a partition's folder is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The topic's id.
    pub topic_id: Uuid,
}

impl PartitionMetadata {
    /// Reads the file in a partition's folder; none when there is none.
    ///
    /// # Errors
    /// [`LogError::Damaged`]; the disk's errors.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<PartitionMetadata>, LogError> {
        let path = dir.join(PARTITION_METADATA);
        let Some(text) = read_text(disk, &path)? else { return Ok(None) };
        let value = |key: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                (name.trim() == key).then(|| value.trim().to_owned())
            })
        };
        if value("version").as_deref() != Some("0") {
            return Err(damaged(&path, "it does not say version: 0".to_owned()));
        }
        let text = value("topic_id").ok_or_else(|| damaged(&path, "topic_id is missing".to_owned()))?;
        let topic_id = parse_uuid(&text).ok_or_else(|| damaged(&path, format!("topic_id {text} is no id")))?;
        Ok(Some(PartitionMetadata { topic_id }))
    }

    /// Writes the file; not synced.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(PARTITION_METADATA);
        let tmp = crate::names::with_suffix(&path, ".tmp");
        let text = format!("version: 0\ntopic_id: {}", uuid_text(self.topic_id));
        disk.open(&tmp, OpenMode::Create)
            .and_then(|file| {
                file.truncate(0)?;
                file.write_at(text.as_bytes(), 0)
            })
            .and_then(|()| disk.rename(&tmp, &path))
            .map_err(LogError::io("write", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemDisk;

    const ID: &str = "4fnXl4QrRUmAF2PBm4QTTg";

    fn disk_with(name: &str, text: &str) -> MemDisk {
        let disk = MemDisk::new();
        write_atomic(&disk, Path::new(name), text.as_bytes()).unwrap();
        disk
    }

    #[test]
    fn meta_properties_go_both_ways() {
        let disk = MemDisk::new();
        let dir = Path::new("");
        assert_eq!(MetaProperties::read(&disk, dir).unwrap(), None);
        let meta = MetaProperties { cluster_id: "c".to_owned(), node_id: 3, directory_id: parse_uuid(ID) };
        meta.write(&disk, dir).unwrap();
        assert_eq!(MetaProperties::read(&disk, dir).unwrap(), Some(meta));
    }

    #[test]
    fn meta_properties_as_kafka_writes_them() {
        let text =
            format!("#\n#Tue Nov 24 22:00:00 UTC 2026\ncluster.id=ab\\=\\:\nversion=1\ndirectory.id={ID}\nnode.id=7\n");
        let meta = MetaProperties::read(&disk_with(META_PROPERTIES, &text), Path::new("")).unwrap().unwrap();
        assert_eq!((meta.cluster_id.as_str(), meta.node_id), ("ab=:", 7));
        assert_eq!(meta.directory_id.map(uuid_text).as_deref(), Some(ID));
    }

    #[test]
    fn a_foreign_folder_is_refused_with_both_ids() {
        let meta = MetaProperties { cluster_id: "theirs".to_owned(), node_id: 3, directory_id: None };
        let error = meta.check(Path::new("d"), "ours", 3).unwrap_err().to_string();
        assert!(error.contains("theirs") && error.contains("ours"), "{error}");
        let error = meta.check(Path::new("d"), "theirs", 4).unwrap_err().to_string();
        assert!(error.contains('3') && error.contains('4'), "{error}");
        meta.check(Path::new("d"), "theirs", 3).unwrap();
    }

    #[test]
    fn damaged_meta_properties_say_what_is_wrong() {
        for (text, says) in [
            ("", "version=0"),
            ("version=2", "version=2"),
            ("version=1\nnode.id=1", "cluster.id"),
            ("version=1\ncluster.id=x", "node.id"),
            ("version=1\ncluster.id=x\nnode.id=y", "node.id=y"),
            ("version=1\ncluster.id=x\nnode.id=1\ndirectory.id=z", "directory.id=z"),
        ] {
            let error = MetaProperties::read(&disk_with(META_PROPERTIES, text), Path::new("")).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn the_marker_of_a_clean_stop() {
        let disk = MemDisk::new();
        let dir = Path::new("");
        assert_eq!(CleanShutdown::read(&disk, dir).unwrap(), None);
        CleanShutdown { broker_epoch: 17 }.write(&disk, dir).unwrap();
        disk.power_loss(None);
        assert_eq!(CleanShutdown::read(&disk, dir).unwrap(), Some(CleanShutdown { broker_epoch: 17 }));
        CleanShutdown::remove(&disk, dir).unwrap();
        CleanShutdown::remove(&disk, dir).unwrap();
        disk.power_loss(None);
        assert_eq!(CleanShutdown::read(&disk, dir).unwrap(), None);
        let old = disk_with(CLEAN_SHUTDOWN, "");
        assert_eq!(CleanShutdown::read(&old, dir).unwrap(), Some(CleanShutdown { broker_epoch: -1 }));
    }

    #[test]
    fn partition_metadata_goes_both_ways() {
        let disk = MemDisk::new();
        let metadata = PartitionMetadata { topic_id: parse_uuid(ID).unwrap() };
        metadata.write(&disk, Path::new("")).unwrap();
        assert_eq!(PartitionMetadata::read(&disk, Path::new("")).unwrap(), Some(metadata));
        for bad in ["", "version: 1\ntopic_id: x", "version: 0\n", "version: 0\ntopic_id: short"] {
            assert!(PartitionMetadata::read(&disk_with(PARTITION_METADATA, bad), Path::new("")).is_err(), "{bad}");
        }
    }
}
