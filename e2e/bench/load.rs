//! `odradek-load`: the client side of the benchmarks with several brokers, the same for every broker. Each command
//! prints one line of JSON; times that come from outside are milliseconds of the Unix epoch.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use odradek_client::{Admin, ClientConfig, NewTopic, PartitionDescription};
use odradek_e2e::load::{Producer, Settings, Stalls};
use odradek_wire::messages::DescribeQuorumRequest;
use odradek_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use odradek_wire::protocol::StrBytes;
use serde_json::json;
use tokio::task::JoinSet;

#[derive(Parser)]
#[command(name = "odradek-load", about = "Load and questions for benchmarks of any Kafka cluster")]
struct Cli {
    /// Addresses with commas between.
    #[arg(long)]
    bootstrap: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Produces with acks=all and idempotence until standard input ends; prints `ready` once every partition has
    /// acknowledged a record.
    Produce(Produce),
    #[command(flatten)]
    Ask(Ask),
}

#[derive(Subcommand)]
enum Ask {
    /// Creates topics, one request each, and waits until every partition has a leader.
    Create(Topics),
    /// Waits until every partition has a leader other than `--without`, as each bootstrap address sees it.
    Leaders(Wait),
    /// Waits until every replica of every partition is in sync.
    InSync(Wait),
    /// Tries to create topics all the time, and says when the first one was there.
    CreateOnce(Once),
    /// The id of the active controller.
    Controller,
    /// How many partitions each broker leads.
    Led(Topics),
    /// The replicas of every partition.
    Replicas(Topics),
}

#[derive(Args)]
struct Produce {
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    /// Records a second of each producer.
    #[arg(long)]
    rate: u32,
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    #[arg(long, default_value_t = 1)]
    producers: u32,
}

#[derive(Args, Clone)]
struct Topics {
    /// Topics are called PREFIX0, PREFIX1 and so on.
    #[arg(long)]
    prefix: String,
    #[arg(long)]
    topics: usize,
    #[arg(long, default_value_t = 1000)]
    partitions: i32,
    #[arg(long, default_value_t = 3)]
    replicas: i16,
}

#[derive(Args)]
struct Wait {
    #[command(flatten)]
    topics: Topics,
    /// The broker that must lead nothing any more.
    #[arg(long)]
    without: Option<i32>,
    /// What the time is counted from.
    #[arg(long)]
    since: Option<u64>,
    /// Seconds.
    #[arg(long, default_value_t = 120)]
    within: u64,
}

#[derive(Args)]
struct Once {
    #[arg(long)]
    prefix: String,
    #[arg(long)]
    since: Option<u64>,
    /// Seconds.
    #[arg(long, default_value_t = 60)]
    within: u64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let command = match cli.command {
        Command::Produce(produce) => return self::produce(&cli.bootstrap, &produce),
        Command::Ask(command) => command,
    };
    let addresses: Vec<String> = cli.bootstrap.split(',').map(str::to_owned).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        match command {
            Ask::Create(topics) => create(&addresses, &topics).await,
            Ask::Leaders(wait) => {
                let without = wait.without;
                until(&addresses, &wait, |partition| {
                    partition.leader.is_some_and(|leader| leader >= 0 && Some(leader) != without)
                })
                .await
            }
            Ask::InSync(wait) => {
                until(&addresses, &wait, |partition| {
                    partition.isr.len() == partition.replicas.len() && partition.leader.is_some()
                })
                .await
            }
            Ask::CreateOnce(once) => create_once(&addresses, &once).await,
            Ask::Controller => controller(&addresses).await,
            Ask::Led(topics) => led(&addresses, &topics).await,
            Ask::Replicas(topics) => replicas(&addresses, &topics).await,
        }
    })?;
    println!("{answer}");
    Ok(())
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn admin(addresses: &[String], timeout: Duration) -> Admin {
    Admin::new(ClientConfig {
        bootstrap: addresses.to_vec(),
        client_id: "odradek-load".to_owned(),
        connect_timeout: Duration::from_secs(2),
        request_timeout: timeout,
    })
}

/// The value below which that share of the sorted numbers lies.
fn quantile(sorted: &[Duration], share: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = ((sorted.len() as f64 - 1.0) * share).round().max(0.0) as usize;
    sorted.get(at).copied().unwrap_or_default().as_secs_f64() * 1000.0
}

fn produce(bootstrap: &str, produce: &Produce) -> Result<()> {
    ensure!(produce.partitions > 0 && produce.producers > 0, "--partitions and --producers must be at least 1");
    let (deliveries, arrived) = mpsc::channel();
    let began = Instant::now();
    let settings = Settings {
        bootstrap: bootstrap.to_owned(),
        topic: produce.topic.clone(),
        partitions: produce.partitions,
        rate: produce.rate,
        bytes: produce.bytes..=produce.bytes,
        client: BTreeMap::new(),
    };
    let mut producers: Vec<Producer> = (0..produce.producers)
        .map(|number| Producer::start(number, settings.clone(), began, deliveries.clone()))
        .collect::<Result<_>>()?;
    drop(deliveries);
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        // An error of standard input is an end of it.
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        ended.send(())
    });
    let mut waiting: Vec<i32> = (0..produce.partitions).collect();
    let mut stalls = Stalls::default();
    let mut latencies = Vec::new();
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    let mut stopping: Option<Instant> = None;
    loop {
        match arrived.recv_timeout(Duration::from_millis(20)) {
            Ok(delivery) => match delivery.result {
                Ok(_) if waiting.is_empty() => {
                    stalls.note(delivery.id.partition, delivery.at);
                    latencies.push(delivery.latency);
                }
                Ok(_) => {
                    waiting.retain(|partition| *partition != delivery.id.partition);
                    if waiting.is_empty() {
                        println!("ready");
                        std::io::stdout().flush()?;
                    }
                }
                Err(error) => *refused.entry(error).or_default() += 1,
            },
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if stopping.is_none() && end.try_recv().is_ok() {
            producers.iter().for_each(|producer| producer.pause(true));
            stopping = Some(Instant::now());
        }
        let settled = producers.iter().all(|producer| producer.unsettled() == 0);
        if stopping.is_some_and(|since| settled || since.elapsed() > Duration::from_secs(60)) {
            break;
        }
    }
    let unsettled: usize = producers.iter().map(Producer::unsettled).sum();
    let fatal: Vec<String> = producers.iter().filter_map(Producer::fatal).collect();
    producers.clear();
    latencies.sort_unstable();
    println!(
        "{}",
        json!({
            "acknowledged": latencies.len(), "refused": refused, "unsettled": unsettled, "fatal": fatal,
            "longest_stall_ms": stalls.overall().as_secs_f64() * 1000.0,
            "worst_partition_ms": stalls.worst_partition().as_secs_f64() * 1000.0,
            "p50_ms": quantile(&latencies, 0.5), "p99_ms": quantile(&latencies, 0.99),
            "p999_ms": quantile(&latencies, 0.999), "max_ms": quantile(&latencies, 1.0),
        })
    );
    Ok(())
}

fn names(topics: &Topics) -> Vec<String> {
    (0..topics.topics).map(|number| format!("{}{number}", topics.prefix)).collect()
}

async fn create(addresses: &[String], topics: &Topics) -> Result<serde_json::Value> {
    let began = Instant::now();
    let admin = admin(addresses, Duration::from_secs(120));
    for name in names(topics) {
        let topic = NewTopic {
            name: name.clone(),
            partitions: topics.partitions,
            replication_factor: topics.replicas,
            configs: BTreeMap::new(),
        };
        let created = admin.create_topics(&[topic], false).await?;
        created.into_values().next().context("no answer")?.with_context(|| format!("topic {name}"))?;
    }
    let answered = began.elapsed();
    let wait = Wait { topics: topics.clone(), without: None, since: None, within: 300 };
    until(addresses, &wait, |partition| partition.leader.is_some_and(|leader| leader >= 0)).await?;
    Ok(json!({ "answered_ms": answered.as_millis(), "led_ms": began.elapsed().as_millis() }))
}

async fn until(
    addresses: &[String],
    wait: &Wait,
    good: impl Fn(&PartitionDescription) -> bool,
) -> Result<serde_json::Value> {
    let began = Instant::now();
    let names = names(&wait.topics);
    let wanted = names.len() * usize::try_from(wait.topics.partitions)?;
    let mut seen = Vec::new();
    for address in addresses {
        let admin = admin(std::slice::from_ref(address), Duration::from_secs(10));
        loop {
            let why = match admin.describe_topics(&names).await {
                Ok(topics) => {
                    let all = topics.values().flatten().flat_map(|topic| &topic.partitions);
                    let done = all.filter(|partition| good(partition)).count();
                    if done == wanted {
                        break;
                    }
                    format!("{done} of {wanted}")
                }
                Err(error) => error.to_string(),
            };
            if began.elapsed() > Duration::from_secs(wait.within) {
                bail!("{address}: not within {} s: {why}", wait.within);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        seen.push(wait.since.map_or(began.elapsed().as_millis(), |since| u128::from(unix_ms().saturating_sub(since))));
    }
    Ok(json!({ "ms": seen.iter().max(), "by_address": seen }))
}

async fn create_once(addresses: &[String], once: &Once) -> Result<serde_json::Value> {
    let began = Instant::now();
    let mut attempts = JoinSet::new();
    let mut number = 0;
    let mut last = String::new();
    let mut every = tokio::time::interval(Duration::from_millis(25));
    while began.elapsed() < Duration::from_secs(once.within) {
        tokio::select! {
            _ = every.tick() => {
                let name = format!("{}{number}", once.prefix);
                let rotated: Vec<String> =
                    addresses.iter().cycle().skip(number % addresses.len()).take(addresses.len()).cloned().collect();
                number += 1;
                attempts.spawn(async move {
                    let topic = NewTopic {
                        name, partitions: 1, replication_factor: 2, configs: BTreeMap::new(),
                    };
                    let created = admin(&rotated, Duration::from_secs(5)).create_topics(&[topic], false).await;
                    match created {
                        Ok(created) => match created.into_values().next() {
                            Some(Ok(_)) => Ok(()),
                            Some(Err(error)) => Err(error.to_string()),
                            None => Err("no answer".to_owned()),
                        },
                        Err(error) => Err(error.to_string()),
                    }
                });
            }
            Some(done) = attempts.join_next() => match done? {
                Ok(()) => {
                    let ms = once.since.map_or(began.elapsed().as_millis(), |since| u128::from(unix_ms() - since));
                    return Ok(json!({ "ms": ms, "attempts": number, "last_error": last }));
                }
                Err(error) => last = error,
            },
        }
    }
    bail!("no topic could be created within {} s: {last}", once.within)
}

async fn controller(addresses: &[String]) -> Result<serde_json::Value> {
    let mut tried = Vec::new();
    for address in addresses {
        let asked = async {
            let timeout = Duration::from_secs(5);
            let connection =
                odradek_client::conn::Connection::connect(address, "odradek-load", timeout, timeout).await?;
            let partition = PartitionData::default().with_partition_index(0);
            let topic = TopicData::default()
                .with_topic_name(StrBytes::from_static_str("__cluster_metadata").into())
                .with_partitions(vec![partition]);
            let version = connection.version::<DescribeQuorumRequest>()?;
            connection.call(version, &DescribeQuorumRequest::default().with_topics(vec![topic])).await
        };
        let leader = match asked.await {
            Ok(answer) => answer.topics.first().and_then(|topic| topic.partitions.first()).map(|p| p.leader_id.0),
            Err(error) => {
                tried.push(format!("{address}: {error}"));
                continue;
            }
        };
        if let Some(id) = leader.filter(|id| *id >= 0) {
            return Ok(json!({ "id": id }));
        }
        tried.push(format!("{address}: no leader"));
    }
    bail!("no active controller: {}", tried.join("; "))
}

async fn led(addresses: &[String], topics: &Topics) -> Result<serde_json::Value> {
    let described = admin(addresses, Duration::from_secs(10)).describe_topics(&names(topics)).await?;
    let mut led: BTreeMap<String, usize> = BTreeMap::new();
    for partition in described.values().flatten().flat_map(|topic| &topic.partitions) {
        *led.entry(partition.leader.unwrap_or(-1).to_string()).or_default() += 1;
    }
    Ok(json!({ "led": led }))
}

async fn replicas(addresses: &[String], topics: &Topics) -> Result<serde_json::Value> {
    let described = admin(addresses, Duration::from_secs(10)).describe_topics(&names(topics)).await?;
    let mut replicas: BTreeMap<String, BTreeMap<String, Vec<i32>>> = BTreeMap::new();
    for (name, topic) in described {
        for partition in topic?.partitions {
            replicas.entry(name.clone()).or_default().insert(partition.partition.to_string(), partition.replicas);
        }
    }
    Ok(json!({ "replicas": replicas }))
}
