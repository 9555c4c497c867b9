//! `odradek-sim`: runs seeds, and says how to run one again.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use clap::Parser;
use odradek_probe::Mutation;
use odradek_sim::counts::Counts;
use odradek_sim::run::{FEWEST_FAULTS, FEWEST_OPERATIONS, Outcome, run, run_mutated};

/// Fewer seeds need not have seen everything.
const ENOUGH_TO_MISS: u64 = 500;

/// Whole clusters in one thread: virtual time, seeded faults, invariants.
#[derive(Debug, Parser)]
#[command(name = "odradek-sim")]
struct Arguments {
    /// One seed, with its plan and (by RUST_LOG) the logs of its brokers.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run each seed twice: the traces must have the same hash.
    #[arg(long)]
    twice: bool,
    /// Break a rule on purpose, and stop at the first seed that shows it: its name, or `all`.
    #[arg(long)]
    mutation: Option<String>,
    /// Seeds at a time; a seed itself runs in one thread.
    #[arg(long)]
    threads: Option<usize>,
}

impl Arguments {
    fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        return one(seed, &arguments);
    }
    match &arguments.mutation {
        Some(name) => mutations(name, &arguments),
        None => many(&arguments),
    }
}

/// A seed, and all that can be said about it.
fn one(seed: u64, arguments: &Arguments) -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let mutation = arguments.mutation.as_deref().and_then(Mutation::named);
    let outcome = run_mutated(seed, mutation);
    println!("{:#?}\nhash {:016x}", outcome.plan, outcome.hash);
    let mut counts = Counts::default();
    counts.merge(&outcome.counts);
    show(&counts);
    println!("{} client operations, {} virtual seconds", outcome.operations, outcome.virtual_seconds);
    failed(seed, &outcome.broken);
    if outcome.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(seed: u64, broken: &[String]) {
    if broken.is_empty() {
        return;
    }
    println!("seed {seed} FAILED");
    for line in broken.iter().take(10) {
        println!("  {line}");
    }
    println!("  again: cargo run --release -p odradek-sim -- --seed {seed}");
}

fn show(counts: &Counts) {
    println!("\nwhat occurred, all seeds together");
    for (name, many) in counts.iter() {
        println!("  {many:>9}  {name}");
    }
}

fn many(arguments: &Arguments) -> ExitCode {
    let (many, end) = (arguments.seeds, arguments.from + arguments.seeds);
    let began = Instant::now();
    let next = AtomicU64::new(arguments.from);
    let (send, outcomes) = mpsc::channel::<(u64, Outcome)>();
    let mut counts = Counts::default();
    let (mut done, mut failures, mut seconds, mut operations) = (0u64, 0u64, 0u64, 0u64);
    let (mut fewest, mut fewest_faults) = (u64::MAX, u64::MAX);
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads() {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let mut outcome = run(seed);
                    if arguments.twice {
                        let again = run(seed).hash;
                        if again != outcome.hash {
                            outcome.broken.push(format!("two runs differ: {:016x} and {again:016x}", outcome.hash));
                        }
                    }
                    if send.send((seed, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (seed, outcome) in outcomes {
            counts.merge(&outcome.counts);
            seconds += outcome.virtual_seconds;
            operations += outcome.operations;
            fewest = fewest.min(outcome.operations);
            fewest_faults = fewest_faults.min(outcome.counts.faults());
            failures += u64::from(!outcome.broken.is_empty());
            failed(seed, &outcome.broken);
            done += 1;
            if done.is_multiple_of(100) || done == many {
                println!("{done} of {many} seeds, {failures} failed, {:.1} s", began.elapsed().as_secs_f64());
            }
        }
    });
    show(&counts);
    println!(
        "{many} seeds, {operations} client operations (at least {fewest} each), at least {fewest_faults} faults each, \
         {seconds} virtual seconds in {:.1} s; {failures} failed",
        began.elapsed().as_secs_f64()
    );
    let missing = if many >= ENOUGH_TO_MISS { counts.missing() } else { Vec::new() };
    for name in &missing {
        println!("never occurred: {name}");
    }
    if fewest < FEWEST_OPERATIONS {
        println!("a seed came to {fewest} client operations only; each should to {FEWEST_OPERATIONS}");
    }
    if fewest_faults < FEWEST_FAULTS {
        println!("a seed came to {fewest_faults} faults only; each should to {FEWEST_FAULTS}");
    }
    let enough = fewest >= FEWEST_OPERATIONS && fewest_faults >= FEWEST_FAULTS;
    let good = failures == 0 && missing.is_empty() && enough;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Shows that broken rules are seen: each must be caught within the seeds asked for.
fn mutations(name: &str, arguments: &Arguments) -> ExitCode {
    let wanted: Vec<Mutation> = match Mutation::named(name) {
        Some(mutation) => vec![mutation],
        None if name == "all" => Mutation::ALL.to_vec(),
        None => {
            eprintln!("no mutation is named {name}; there are:");
            for mutation in Mutation::ALL {
                eprintln!("  {}", mutation.name());
            }
            return ExitCode::FAILURE;
        }
    };
    // A rule that is broken on purpose may well end in a panic, which is a catch as any other.
    std::panic::set_hook(Box::new(|_| {}));
    let missed = wanted.into_iter().filter(|mutation| !is_caught(*mutation, arguments)).count();
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether a broken rule is seen; prints the first seed that shows it.
fn is_caught(mutation: Mutation, arguments: &Arguments) -> bool {
    let (began, end) = (Instant::now(), arguments.from + arguments.seeds);
    let next = AtomicU64::new(arguments.from);
    let caught_at = AtomicU64::new(u64::MAX);
    let (send, caught) = mpsc::channel::<(u64, String)>();
    let first = std::thread::scope(|scope| {
        for _ in 0..arguments.threads() {
            let (send, next, caught_at) = (send.clone(), &next, &caught_at);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    // Seeds are taken in order, so those that are under way decide which one is the first.
                    if seed >= end || seed > caught_at.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Some(why) = run_mutated(seed, Some(mutation)).broken.into_iter().next() {
                        caught_at.fetch_min(seed, Ordering::Relaxed);
                        let _ = send.send((seed, why));
                        return;
                    }
                }
            });
        }
        drop(send);
        caught.into_iter().min()
    });
    let seconds = began.elapsed().as_secs_f64();
    match &first {
        Some((seed, why)) => println!("{:<28} caught at seed {seed:>4} ({seconds:.1} s): {why}", mutation.name()),
        None => println!("{:<28} NOT CAUGHT within {} seeds ({seconds:.1} s)", mutation.name(), arguments.seeds),
    }
    first.is_some()
}
