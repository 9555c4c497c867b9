//! The planner beside kafka-reassign-partitions --generate of Apache Kafka 4.4.0, on the same inputs (P5).

use anyhow::{Context, Result, ensure};
use odradek_e2e::process::Cluster;
use odradek_e2e::tools::{kafka, run};
use odradek_placement::plan::{Broker, Mode, Options, Partitions, Plan, plan};
use odradek_placement::{BrokerInfo, place};
use serde_json::{Value, json};

const RACKS: [&str; 6] = ["a", "b", "c", "a", "b", "c"];
const PARTITIONS: usize = 500;

fn rack(id: i32) -> Option<&'static str> {
    Some(RACKS[id as usize - 1])
}

fn partitions(topic: &str, lists: &[Vec<i32>]) -> Partitions {
    let mut partitions = Partitions::with_capacity(lists.len(), lists.len() * 3);
    let topic = partitions.topic(topic);
    for (at, replicas) in lists.iter().enumerate() {
        partitions.push(topic, at as i32, replicas, 1);
    }
    partitions
}

/// What is told of an assignment that something was changed to.
struct Row {
    copies: usize,
    replicas: usize,
    leaders: usize,
    crowded: usize,
}

impl Row {
    fn of_plan(plan: &Plan) -> Row {
        let after = &plan.after;
        Row {
            copies: plan.copies.replicas,
            replicas: after.replicas.width(),
            leaders: after.leaders.width(),
            crowded: after.crowded,
        }
    }

    /// Of an assignment that somebody else made: nothing is planned for it, it is only counted.
    fn of(brokers: &[Broker<'_>], before: &[Vec<i32>], after: &[Vec<i32>]) -> Result<Row> {
        let counted = plan(brokers, &partitions("", after), &Options::new(Mode::Topics(Vec::new())))?;
        let moved = |(old, new): (&Vec<i32>, &Vec<i32>)| new.iter().filter(|id| !old.contains(id)).count();
        Ok(Row { copies: std::iter::zip(before, after).map(moved).sum(), ..Row::of_plan(&counted) })
    }

    fn print(&self, what: &str, who: &str, least: usize) {
        println!(
            "| {what} | {who} | {} | {least} | {} | {} | {} |",
            self.copies, self.replicas, self.leaders, self.crowded
        );
    }
}

/// What the tool proposes for the topic on these brokers.
fn generated(cluster: &Cluster, topic: &str, ids: &str) -> Result<Vec<Vec<i32>>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("topics.json");
    std::fs::write(&file, json!({ "version": 1, "topics": [{ "topic": topic }] }).to_string())?;
    let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    let out = run(
        kafka(class)?
            .args(["--bootstrap-server", &cluster.bootstrap(), "--generate", "--broker-list", ids])
            .arg("--topics-to-move-json-file")
            .arg(&file),
        b"",
    )?
    .ok()?;
    let (_, proposed) = out.split_once("Proposed partition reassignment configuration").context("no proposal")?;
    let proposed: Value = serde_json::from_str(proposed.trim())?;
    let mut lists = vec![Vec::new(); PARTITIONS];
    for entry in proposed["partitions"].as_array().context("no partitions")? {
        let at = entry["partition"].as_u64().context("no number")? as usize;
        let ids = entry["replicas"].as_array().context("no replicas")?;
        lists[at] = ids.iter().filter_map(Value::as_i64).map(|id| id as i32).collect();
    }
    ensure!(lists.iter().all(|list| !list.is_empty()), "{proposed}");
    Ok(lists)
}

#[test]
fn plans_copy_no_more_and_are_no_less_even_than_those_of_kafkas_tool() -> Result<()> {
    let cluster = Cluster::start_with(6, |id, _| format!("broker.rack={}\n", RACKS[id - 1]))?;
    println!("| brokers, replicas | plan by | copied | least | replicas apart | leaders apart | racks shared |");
    println!("|---|---|---|---|---|---|---|");
    for (before, after, factor) in [(3, 5, 3), (5, 4, 3), (3, 6, 3), (6, 5, 2)] {
        let (what, topic) = (format!("{before} to {after}, RF {factor}"), format!("from-{before}-to-{after}"));
        let (what, topic) = (what.as_str(), topic.as_str());
        let infos: Vec<BrokerInfo<'_>> = (1..=before).map(|id| BrokerInfo::new(id, rack(id))).collect();
        let lists = place(&infos, PARTITIONS, factor, 0)?;
        let text = |list: &Vec<i32>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(":");
        let assignment = lists.iter().map(text).collect::<Vec<_>>().join(",");
        run(
            kafka("org.apache.kafka.tools.TopicCommand")?
                .args(["--bootstrap-server", &cluster.bootstrap(), "--create", "--topic", topic])
                .args(["--replica-assignment", &assignment]),
            b"",
        )?
        .ok()?;
        let ids = (1..=after).map(|id: i32| id.to_string()).collect::<Vec<_>>().join(",");
        let brokers: Vec<Broker<'_>> =
            (1..=before.max(after)).map(|id| Broker { leaving: id > after, ..Broker::new(id, rack(id)) }).collect();
        let theirs = Row::of(&brokers, &lists, &generated(&cluster, topic, &ids)?)?;
        let planned = plan(&brokers, &partitions(topic, &lists), &Options::new(Mode::Full))?;
        let ours = Row::of_plan(&planned);
        theirs.print(what, "kafka-reassign-partitions", planned.least.replicas);
        ours.print(what, "Odradek", planned.least.replicas);
        // Who leaves the new brokers below their share may copy a little less.
        let less_even = theirs.replicas > ours.replicas;
        if factor == 3 {
            ensure!(ours.copies == planned.least.replicas, "more is copied than must be: {what}");
        }
        ensure!(ours.copies <= theirs.copies || less_even, "more is copied: {what}");
        ensure!(ours.replicas <= theirs.replicas && ours.leaders <= theirs.leaders, "less even: {what}");
        ensure!(ours.crowded == 0, "racks are shared: {what}");
    }
    Ok(())
}
