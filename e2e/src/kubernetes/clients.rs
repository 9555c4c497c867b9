//! kcat (librdkafka) in a pod, at the in-cluster bootstrap address.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Namespace, Produced, Producer};
use crate::tools::run;
use crate::wait;

const POD: &str = include_str!("../../demo/pod.yaml");
const BOOTSTRAP: &str = "demo-bootstrap:9092";

/// A record as a consumer saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its value.
    pub value: String,
}

/// A pod with kcat in it, beside the cluster `demo`.
#[derive(Debug)]
pub struct Clients<'a> {
    namespace: &'a Namespace,
}

impl<'a> Clients<'a> {
    /// Starts the pod.
    ///
    /// # Errors
    /// It does not run.
    pub fn start(namespace: &'a Namespace) -> Result<Clients<'a>> {
        namespace.apply(&POD.replace("NAME", "client").replace("COMMAND", "[/bin/sleep, infinity]"))?;
        namespace.kubectl(&["wait", "--for=condition=Ready", "pod/client", "--timeout=60s"])?;
        Ok(Clients { namespace })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(["--namespace", &self.namespace.name, "exec", "--stdin", "client", "--"]);
        command.args(["/bin/kcat", "-b", BOOTSTRAP]).args(arguments);
        command
    }

    fn kcat(&self, arguments: &[&str]) -> Result<String> {
        run(&mut self.command(arguments), b"")?.ok().with_context(|| format!("kcat {}", arguments.join(" ")))
    }

    /// What kcat tells of the cluster's topics: `-L -J`.
    ///
    /// # Errors
    /// No broker answers.
    pub fn metadata(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.kcat(&["-L", "-J"])?)?)
    }

    /// The leader of a partition.
    ///
    /// # Errors
    /// It has none.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<i32> {
        let metadata = self.metadata()?;
        let topics = metadata["topics"].as_array().into_iter().flatten();
        let partitions = topics.filter(|t| t["topic"] == topic).filter_map(|t| t["partitions"].as_array()).flatten();
        let leader = partitions.filter(|p| p["partition"] == partition).find_map(|p| p["leader"].as_i64());
        let leader = leader.filter(|leader| *leader >= 0).with_context(|| format!("no leader in {metadata}"))?;
        Ok(i32::try_from(leader)?)
    }

    /// All records of a topic.
    ///
    /// # Errors
    /// They cannot be read to the end.
    pub fn read_all(&self, topic: &str) -> Result<Vec<Record>> {
        // A pod that just came has a name that a cache may deny for a few seconds, and kcat takes that for an end.
        let text = wait::until("the topic is read", Duration::from_secs(60), || {
            self.kcat(&["-C", "-t", topic, "-e", "-q", "-f", FORMAT]).map_err(|error| format!("{error:#}"))
        })?;
        records(&text)
    }

    /// So many records, as a member of a group that commits what it read.
    ///
    /// # Errors
    /// They do not come.
    pub fn read_group(&self, group: &str, topic: &str, many: usize) -> Result<Vec<Record>> {
        let many = many.to_string();
        let arguments = ["-q", "-X", "auto.offset.reset=earliest", "-c", &many, "-f", FORMAT, "-G", group, topic];
        records(&self.kcat(&arguments)?)
    }

    /// Starts to produce the records `first..first + many` with acks=all and idempotence, so many a second.
    ///
    /// # Errors
    /// kubectl does not start.
    pub fn produce(&self, topic: &str, first: usize, many: usize, a_second: usize) -> Result<Producer> {
        let arguments = ["-P", "-t", topic, "-K", ":", "-vv", "-X", "acks=all", "-X", "enable.idempotence=true"];
        let child = self
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("kubectl does not start")?;
        Producer::start(child, first, many, a_second)
    }

    /// Produces `first..first + many` at once, and waits for all acknowledgements.
    ///
    /// # Errors
    /// One is missing.
    pub fn produce_now(&self, topic: &str, first: usize, many: usize) -> Result<Produced> {
        self.produce(topic, first, many, 100_000)?.finish(Duration::from_secs(60))
    }
}

const FORMAT: &str = "%k\\t%p\\t%o\\t%s\\n";

fn records(text: &str) -> Result<Vec<Record>> {
    let record = |line: &str| {
        let mut parts = line.split('\t');
        let mut part = || parts.next().with_context(|| format!("no record: {line:?}"));
        Ok(Record {
            key: part()?.to_owned(),
            partition: part()?.parse()?,
            offset: part()?.parse()?,
            value: part()?.to_owned(),
        })
    };
    text.lines().map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let read = records("key-0000001\t2\t7\tvalue\n").expect("a record");
        assert_eq!(read[0].offset, 7);
        assert!(records("nothing\n").is_err());
    }
}
