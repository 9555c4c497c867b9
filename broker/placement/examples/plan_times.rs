//! How long plans take, how much they copy beside the least possible, and how even it gets:
//! `cargo run --release -p odradek-placement --example plan_times`, or `make bench PART=planner`.

use std::time::Instant;

use odradek_placement::plan::{Broker, Mode, Options, Partitions, Plan, plan};

const RACKS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A cluster whose topics have 100 partitions each of three replicas, laid out round the racks, with sizes that differ
/// between topics.
fn cluster(partitions: usize, brokers: usize) -> Partitions {
    let mut input = Partitions::with_capacity(partitions, partitions * 3);
    for at in 0..partitions {
        let topic = input.topic(&format!("topic-{}", at / 100));
        // Racks in turn; in a rack, brokers in turn, each rack with a step of its own so that pairs differ.
        let per_rack = brokers / RACKS.len();
        let replica = |place: usize| {
            let rack = (at + place) % RACKS.len();
            let turn = at / RACKS.len() + place * (at / brokers);
            (rack + RACKS.len() * (turn % per_rack)) as i32
        };
        let size = 1_000_000 * (1 + u64::from(topic) * 7_919 % 1_000);
        input.push(topic, (at % 100) as i32, &[replica(0), replica(1), replica(2)], size);
    }
    input
}

fn brokers(count: usize) -> Vec<Broker<'static>> {
    (0..count).map(|at| Broker::new(at as i32, Some(RACKS[at % RACKS.len()]))).collect()
}

/// Carries out a plan: the assignment that it ends with.
fn carried_out(input: &Partitions, plan: &Plan) -> Partitions {
    let mut moves: Vec<_> = plan.moves.iter().collect();
    moves.sort_by_key(|one| (one.topic, one.partition));
    let mut moves = moves.into_iter().peekable();
    let mut after = Partitions::with_capacity(input.len(), input.len() * 3);
    for at in 0..input.len() {
        let (topic, partition) = (after.topic(input.topic_name(input.topic_of(at))), input.partition_of(at));
        let moved = moves.next_if(|one| (one.topic, one.partition) == (topic, partition));
        let replicas = moved.map_or(input.replicas_of(at), |one| &one.to);
        after.push(topic, partition, replicas, input.size_of(at));
    }
    after
}

fn measure(name: &str, brokers: &[Broker<'_>], input: &Partitions, mode: Mode) -> Plan {
    let start = Instant::now();
    let plan = match plan(brokers, input, &Options::new(mode)) {
        Ok(plan) => plan,
        Err(error) => {
            println!("{name}: {error}");
            std::process::exit(1);
        }
    };
    let took = start.elapsed();
    let percent = |range: odradek_placement::Range| 100.0 * range.width() as f64 / range.most.max(1) as f64;
    println!(
        "| {} | {} | {name} | {:.3} s | {} / {} | {:.1} / {:.1} GB | {} | {} | {:.1}% | {} |",
        input.len(),
        brokers.len(),
        took.as_secs_f64(),
        plan.copies.replicas,
        plan.least.replicas,
        plan.copies.bytes as f64 / 1e9,
        plan.least.bytes as f64 / 1e9,
        plan.after.replicas.width(),
        plan.after.leaders.width(),
        percent(plan.after.bytes),
        plan.after.crowded,
    );
    plan
}

fn main() {
    println!(
        "| partitions | brokers | plan | took | replicas copied / least | bytes copied / least | replicas apart | leaders apart | bytes apart | crowded |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (partitions, before, more) in [(1_000, 12, 6), (10_000, 30, 6), (100_000, 90, 12), (1_000_000, 270, 30)] {
        // Even to begin with: what is measured is only what the new brokers need.
        let start = cluster(partitions, before);
        let all = brokers(before);
        let even = carried_out(&start, &measure("as laid out", &all, &start, Mode::Full));
        let grown = brokers(before + more);
        let new = (before..before + more).map(|id| id as i32).collect();
        let full = measure("brokers added, full", &grown, &even, Mode::Full);
        measure("brokers added, only to them", &grown, &even, Mode::AddBrokers(new));
        let after = carried_out(&even, &full);
        measure("nothing to do", &grown, &after, Mode::Full);
        let leaving = (0..more).map(|id| id as i32 * 7 % grown.len() as i32).collect();
        measure("brokers removed", &grown, &after, Mode::RemoveBrokers(leaving));
    }
}
