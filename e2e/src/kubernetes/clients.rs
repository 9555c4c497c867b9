//! kcat (librdkafka) in a pod, at the in-cluster bootstrap address.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Namespace;
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
        let mut child = self
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("kubectl does not start")?;
        let stdin = child.stdin.take().context("no input")?;
        let stderr = child.stderr.take().context("no output")?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let feeder = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || feed(stdin, first, many, a_second, &stop)
        });
        let reader = std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || note(stderr, &seen)
        });
        Ok(Producer { child, seen, stop, feeder, reader })
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

fn key(number: usize) -> String {
    format!("key-{number:06}")
}

fn value(number: usize) -> String {
    format!("value {number} {}", "-".repeat(100))
}

/// At a steady pace, in slices of 10 ms; gives how many were sent.
fn feed(
    mut stdin: impl Write,
    first: usize,
    many: usize,
    a_second: usize,
    stop: &AtomicBool,
) -> std::io::Result<usize> {
    let began = Instant::now();
    let mut sent = 0;
    while sent < many && !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_millis() as usize + 10) * a_second / 1000;
        let due = due.min(many);
        let slice: String = (first + sent..first + due).map(|n| format!("{}:{}\n", key(n), value(n))).collect();
        stdin.write_all(slice.as_bytes())?;
        stdin.flush()?;
        sent = due;
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(sent)
}

#[derive(Debug, Default)]
struct Seen {
    acknowledged: BTreeSet<(i32, i64)>,
    /// When the last acknowledgement of each partition came.
    last: BTreeMap<i32, Instant>,
    gap: Duration,
    errors: Vec<String>,
}

/// "% Message delivered to partition 3 (offset 17) on broker 1000"
fn delivered(line: &str) -> Option<(i32, i64)> {
    let (_, rest) = line.split_once("delivered to partition ")?;
    let (partition, rest) = rest.split_once(" (offset ")?;
    Some((partition.parse().ok()?, rest.split_once(')')?.0.parse().ok()?))
}

const TWICE: &str = "acknowledged a second time";

fn note(stderr: impl std::io::Read, seen: &Mutex<Seen>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((partition, offset)) = delivered(&line) else {
            seen.errors.push(line);
            continue;
        };
        if !seen.acknowledged.insert((partition, offset)) {
            seen.errors.push(format!("{TWICE}: {line}"));
        }
        let now = Instant::now();
        if let Some(before) = seen.last.insert(partition, now) {
            seen.gap = seen.gap.max(now - before);
        }
    }
}

/// A producer at work.
#[derive(Debug)]
pub struct Producer {
    child: Child,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    feeder: JoinHandle<std::io::Result<usize>>,
    reader: JoinHandle<()>,
}

/// What a producer was told.
#[derive(Debug)]
pub struct Produced {
    /// Partition and offset of each acknowledged record.
    pub acknowledged: BTreeSet<(i32, i64)>,
    /// The longest time in which a partition acknowledged nothing, as read from the producer's output.
    pub gap: Duration,
    /// How many records were sent.
    pub sent: usize,
    /// What the producer said besides: connections that broke, and the like. None of it cost a record.
    pub said: Vec<String>,
}

impl Producer {
    /// Waits until so many records are acknowledged.
    ///
    /// # Errors
    /// Not in time.
    pub fn wait_acknowledged(&mut self, many: usize, within: Duration) -> Result<()> {
        wait::until("records are acknowledged", within, || {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let now = seen.acknowledged.len();
            if now >= many { Ok(()) } else { Err(format!("{now} of {many}; the producer says {:?}", seen.errors)) }
        })
    }

    /// Ends it where it is.
    ///
    /// # Errors
    /// It failed, or a record was not acknowledged.
    pub fn stop(self, within: Duration) -> Result<Produced> {
        self.stop.store(true, Ordering::Relaxed);
        self.finish(within)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It failed, or a record was not acknowledged.
    pub fn finish(mut self, within: Duration) -> Result<Produced> {
        let ended = wait::until("the producer ends", within, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        if ended.is_err() {
            self.child.kill()?;
            self.child.wait()?;
        }
        let fed = self.feeder.join();
        drop(self.reader.join());
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let tail: Vec<&String> = seen.errors.iter().rev().take(10).rev().collect();
        let sent = match fed {
            Ok(Ok(sent)) => Some(sent),
            Ok(Err(_)) | Err(_) => None,
        };
        let told = || format!("{} of {sent:?} acknowledged; last words {tail:?}", seen.acknowledged.len());
        let status = ended.with_context(told)?;
        let twice = seen.errors.iter().any(|line| line.starts_with(TWICE));
        match sent {
            Some(sent) if status.success() && seen.acknowledged.len() == sent && !twice => {
                Ok(Produced { acknowledged: seen.acknowledged, gap: seen.gap, sent, said: seen.errors })
            }
            _ => bail!("the producer failed ({status}): {}", told()),
        }
    }
}

/// Compares what is in a topic with the records `0..many` that were sent to it: each there once, as it was sent, and in
/// the order of sending within its partition.
///
/// # Errors
/// One is lost, there twice, changed, or out of order; or one was acknowledged at a place where nothing is.
pub fn compare(many: usize, acknowledged: &BTreeSet<(i32, i64)>, records: &[Record]) -> Result<()> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        *count.entry(&record.key).or_default() += 1;
    }
    let lost: Vec<String> = (0..many).map(key).filter(|key| !count.contains_key(key.as_str())).collect();
    let twice: Vec<(&str, usize)> = count.iter().filter(|(_, many)| **many > 1).map(|(k, n)| (*k, *n)).collect();
    ensure!(lost.is_empty(), "{} records are lost: {:?}", lost.len(), &lost[..lost.len().min(5)]);
    ensure!(twice.is_empty(), "{} records are there again: {:?}", twice.len(), &twice[..twice.len().min(5)]);
    let sent: BTreeMap<String, String> = (0..many).map(|number| (key(number), value(number))).collect();
    let mut last: BTreeMap<i32, &Record> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for record in records {
        ensure!(sent.get(&record.key) == Some(&record.value), "this was never sent: {record:?}");
        places.insert((record.partition, record.offset));
        if let Some(before) = last.insert(record.partition, record) {
            let in_order = before.offset < record.offset && before.key < record.key;
            ensure!(in_order, "{} stands before {} in partition {}", before.key, record.key, record.partition);
        }
    }
    let unfounded: Vec<_> = acknowledged.difference(&places).collect();
    ensure!(unfounded.is_empty(), "acknowledged, and nothing is there: {unfounded:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kcat_says_is_read() {
        assert_eq!(delivered("% Message delivered to partition 3 (offset 17) on broker 1000"), Some((3, 17)));
        assert_eq!(delivered("% Delivery failed for message: Local: Message timed out"), None);
        let read = records("key-000001\t2\t7\tvalue\n").expect("a record");
        assert_eq!(read[0].offset, 7);
        assert!(records("nothing\n").is_err());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let record = |number, offset| Record { key: key(number), partition: 0, offset, value: value(number) };
        let whole = [record(0, 5), record(1, 6)];
        compare(2, &BTreeSet::from([(0, 5)]), &whole).expect("whole");
        let told = |many, acks: &[(i32, i64)], records: &[Record]| {
            compare(many, &acks.iter().copied().collect(), records).expect_err("wrong").to_string()
        };
        assert!(told(3, &[], &whole).contains("lost"));
        assert!(told(2, &[], &[record(0, 5), record(1, 6), record(1, 7)]).contains("again"));
        assert!(told(2, &[], &[record(1, 5), record(0, 6)]).contains("stands before"));
        assert!(told(2, &[(0, 9)], &whole).contains("nothing is there"));
        assert!(told(1, &[], &whole).contains("never sent"));
    }
}
