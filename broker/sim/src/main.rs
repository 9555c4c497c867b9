//! `odradek-sim`: runs seeds, and says how to run one again.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use odradek_probe::Mutation;
use odradek_sim::counts::Counts;
use odradek_sim::run::{run, run_mutated};

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
    /// Break a rule on purpose, and stop at the first seed that shows it: its name, or `all`.
    #[arg(long)]
    mutation: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.mutation {
        return mutations(name, &arguments);
    }
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
    let mut missed = 0;
    for mutation in wanted {
        let seeds = arguments.from..=arguments.from + arguments.seeds - 1;
        let began = Instant::now();
        let caught = seeds.into_iter().find_map(|seed| {
            let broken = run_mutated(seed, Some(mutation)).broken;
            broken.into_iter().next().map(|first| (seed, first))
        });
        let seconds = began.elapsed().as_secs_f64();
        match caught {
            Some((seed, first)) => {
                println!("{:<28} caught at seed {seed:>4} ({seconds:.1} s): {first}", mutation.name())
            }
            None => {
                missed += 1;
                println!("{:<28} NOT CAUGHT within {} seeds ({seconds:.1} s)", mutation.name(), arguments.seeds);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
