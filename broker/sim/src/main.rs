//! `odradek-sim`: runs seeds, and says how to run one again.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use odradek_sim::counts::Counts;
use odradek_sim::run::run;

/// Whole clusters in one thread: virtual time, seeded faults, invariants.
#[derive(Debug, Parser)]
#[command(name = "odradek-sim")]
struct Arguments {
    /// One seed, with its plan and (by RUST_LOG) the logs of its brokers.
    #[arg(long)]
    seed: Option<u64>,
    /// Seeds from 1 to this.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run each seed twice: the traces must have the same hash.
    #[arg(long)]
    twice: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.seed.is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_writer(std::io::stderr)
            .without_time()
            .init();
    }
    let seeds = match arguments.seed {
        Some(seed) => seed..=seed,
        None => arguments.from..=arguments.from + arguments.seeds - 1,
    };
    let many = seeds.end() - seeds.start() + 1;
    let began = Instant::now();
    let mut counts = Counts::default();
    let (mut failed, mut seconds, mut operations) = (0u64, 0u64, 0u64);
    for (index, seed) in seeds.enumerate() {
        let outcome = run(seed);
        if arguments.seed.is_some() {
            println!("{:#?}\nhash {:016x}", outcome.plan, outcome.hash);
        }
        let mut broken = outcome.broken;
        if arguments.twice {
            let again = run(seed).hash;
            if again != outcome.hash {
                broken.push(format!("two runs differ: {:016x} and {again:016x}", outcome.hash));
            }
        }
        counts.merge(&outcome.counts);
        seconds += outcome.virtual_seconds;
        operations += outcome.operations;
        if !broken.is_empty() {
            failed += 1;
            println!("seed {seed} FAILED");
            for line in broken.iter().take(10) {
                println!("  {line}");
            }
            println!("  again: cargo run --release -p odradek-sim -- --seed {seed}");
        }
        let done = index as u64 + 1;
        if done.is_multiple_of(50) && arguments.seed.is_none() {
            println!("{done} of {many} seeds, {failed} failed, {:.1} s", began.elapsed().as_secs_f64());
        }
    }
    println!("\nwhat occurred, all seeds together");
    for (name, many) in counts.iter() {
        println!("  {many:>9}  {name}");
    }
    println!(
        "{many} seeds, {operations} client operations, {seconds} virtual seconds in {:.1} s; {failed} failed",
        began.elapsed().as_secs_f64()
    );
    let missing = if many >= 100 { counts.missing() } else { Vec::new() };
    for name in &missing {
        println!("never occurred: {name}");
    }
    if failed == 0 && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
