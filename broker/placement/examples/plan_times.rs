//! How long plans take, how much they copy beside the least possible, and how even it gets:
//! `cargo run --release -p odradek-placement --example plan_times`, or `make bench PART=planner`.

use std::time::Instant;

use odradek_placement::plan::{Broker, Mode, Options, Partitions, Plan, plan};

/// Racks of brokers that are added where each has its own.
const NEW: [&str; 10] = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"];

/// A cluster whose topics have 100 partitions each of three replicas, laid out round the racks, with sizes that differ
/// between topics.
fn cluster(partitions: usize, brokers: usize, racks: usize) -> Partitions {
    let mut input = Partitions::with_capacity(partitions, partitions * 3);
    for at in 0..partitions {
        let topic = input.topic(&format!("topic-{}", at / 100));
        // Racks in turn; in a rack, brokers in turn, each rack with a step of its own so that pairs differ.
        let per_rack = brokers / racks;
        let replica = |place: usize| {
            let rack = (at + place) % racks;
            let turn = at / racks + place * (at / brokers);
            (rack + racks * (turn % per_rack)) as i32
        };
        let size = 1_000_000 * (1 + u64::from(topic) * 7_919 % 1_000);
        input.push(topic, (at % 100) as i32, &[replica(0), replica(1), replica(2)], size);
    }
    input
}

fn brokers(count: usize, racks: &[String]) -> Vec<Broker<'_>> {
    (0..count).map(|at| Broker::new(at as i32, Some(&racks[at % racks.len()]))).collect()
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

/// How long this thread was on a CPU, in seconds; 0 where the kernel does not tell.
fn cpu_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

fn measure(name: &str, brokers: &[Broker<'_>], input: &Partitions, mode: Mode) -> Plan {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let plan = match plan(brokers, input, &Options::new(mode)) {
        Ok(plan) => plan,
        Err(error) => {
            println!("{name}: {error}");
            std::process::exit(1);
        }
    };
    let (took, cpu) = (start.elapsed(), cpu_seconds() - cpu);
    let percent = |range: odradek_placement::Range| 100.0 * range.width() as f64 / range.most.max(1) as f64;
    println!(
        "| {} | {} | {name} | {:.3} s | {cpu:.3} s | {} / {} | {:.1} / {:.1} GB | {} | {} | {:.1}% | {} |",
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
        "| partitions | brokers | plan | took | CPU | replicas copied / least | bytes copied / least | replicas apart | leaders apart | bytes apart | crowded |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let six = [(1_000, 12, 6, 6), (10_000, 30, 6, 6), (100_000, 90, 12, 6), (1_000_000, 270, 30, 6)];
    // And each broker in a rack of its own.
    for (partitions, before, more, racks) in six.into_iter().chain([(100_000, 90, 10, 90)]) {
        let names: Vec<String> = (0..racks).map(|rack| format!("rack-{rack}")).collect();
        // Even to begin with: what is measured is only what the new brokers need.
        let start = cluster(partitions, before, racks);
        let all = brokers(before, &names);
        let even = carried_out(&start, &measure("as laid out", &all, &start, Mode::Full));
        let mut grown = brokers(before + more, &names);
        if racks == before {
            grown.truncate(before);
            grown.extend(NEW.iter().zip(before as i32..).map(|(rack, id)| Broker::new(id, Some(*rack))));
        }
        let new = (before..grown.len()).map(|id| id as i32).collect();
        let full = measure("brokers added, full", &grown, &even, Mode::Full);
        measure("brokers added, only to them", &grown, &even, Mode::AddBrokers(new));
        let after = carried_out(&even, &full);
        measure("nothing to do", &grown, &after, Mode::Full);
        let leaving = (0..more).map(|id| id as i32 * 7 % grown.len() as i32).collect();
        measure("brokers removed", &grown, &after, Mode::RemoveBrokers(leaving));
    }
}
