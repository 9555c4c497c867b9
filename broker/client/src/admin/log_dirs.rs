//! What a broker keeps in its log directories, and how much room they have (KIP-113, KIP-827).

use odradek_wire::messages::DescribeLogDirsRequest;

use super::Admin;
use super::types::{LogDir, LogDirReplica};
use crate::{ClientConfig, Error, KafkaError};

impl Admin {
    /// A client of one broker (`host:port`) with the bounds and the name of this one: for what each broker answers for
    /// itself alone. It shares no connection with this one.
    pub fn of_broker(&self, address: String) -> Admin {
        Admin::new(ClientConfig { bootstrap: vec![address], ..self.inner.config.clone() })
    }

    /// The log directories of the broker that answers, with every replica in them. A directory that failed is one with
    /// an error.
    pub async fn describe_log_dirs(&self) -> Result<Vec<LogDir>, Error> {
        let (_, answer) = self.read(1, |_| DescribeLogDirsRequest::default().with_topics(None)).await?;
        KafkaError::check(answer.error_code, None)?;
        let bytes = |of: i64| u64::try_from(of).ok();
        let dirs = answer.results.iter().map(|dir| LogDir {
            path: dir.log_dir.to_string(),
            error: KafkaError::check(dir.error_code, None).err(),
            total_bytes: bytes(dir.total_bytes),
            usable_bytes: bytes(dir.usable_bytes),
            replicas: dir
                .topics
                .iter()
                .flat_map(|topic| {
                    topic.partitions.iter().map(|partition| LogDirReplica {
                        topic: topic.name.to_string(),
                        partition: partition.partition_index,
                        bytes: bytes(partition.partition_size).unwrap_or(0),
                        future: partition.is_future_key,
                    })
                })
                .collect(),
        });
        Ok(dirs.collect())
    }
}
