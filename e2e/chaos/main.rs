//! `odradek-chaos`: clusters of real processes under faults and a load that is checked record by record. See
//! `e2e/chaos/chaos`, which builds and starts it.

mod cluster;
mod dice;
mod faults;
mod network;
mod node;
mod plan;
mod run;
mod volume;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use plan::{Able, KINDS, Shape};
use run::{Outcome, Test};

#[derive(Parser)]
#[command(name = "odradek-chaos", about = "Clusters of real processes under faults, checked record by record")]
struct Cli {
    /// How long, shared among the clusters; a round that has begun is finished.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// What the faults are drawn from.
    #[arg(long)]
    seed: Option<u64>,
    /// Clusters, one after the other: 3c is 3 brokers that are controllers too, 5s is 5 brokers and 3 controllers.
    #[arg(long, value_delimiter = ',', default_value = "3c,5s,3s,5c")]
    clusters: Vec<Shape>,
    /// Prefix of everything that is made in the system: at most eight letters and digits.
    #[arg(long, default_value = "odchaos")]
    tag: String,
    /// A folder for data and output; kept when something is wrong.
    #[arg(long)]
    dir: PathBuf,
    /// One kind of fault only.
    #[arg(long, value_parser = KINDS)]
    only: Option<String>,
    /// No namespaces, volumes and clocks, even for root.
    #[arg(long)]
    plain: bool,
}

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn able(plain: bool) -> Able {
    let root = !plain && is_root();
    let clock = !plain && cluster::faketime().is_some();
    if !root {
        let why = if plain { "as asked" } else { "not root" };
        println!("chaos: {why}: no network cuts and no full disks; kills, pauses and restarts only");
    }
    if !clock {
        println!("chaos: no clocks are shifted{}", if plain { "" } else { ": the package faketime is missing" });
    }
    Able { network: root, disks: root, clock }
}

impl Cli {
    fn run(self) -> Result<bool> {
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761 % 1_000_000);
        let test = Test { tag: &self.tag, able: able(self.plain), only: self.only.as_deref() };
        let budget = Duration::from_secs_f64(self.minutes * 60.0 / self.clusters.len() as f64);
        println!("chaos: seed {seed}, {} clusters for {:.0} s each", self.clusters.len(), budget.as_secs_f64());
        let mut outcomes = Vec::new();
        for (at, shape) in self.clusters.iter().enumerate() {
            println!("{shape}");
            let dir = self.dir.join(format!("cluster-{}", at + 1));
            let mut dice = dice::Dice::new(seed.wrapping_add(at as u64));
            let outcome = run::run(&test, &dir, *shape, &mut dice, budget)?;
            let failed = !outcome.violations.is_empty();
            outcomes.push((*shape, outcome));
            if failed {
                break;
            }
        }
        table(&outcomes);
        let failed = outcomes.iter().any(|(_, outcome)| !outcome.violations.is_empty());
        if failed {
            println!("logs and data: {}", self.dir.display());
            let clusters: Vec<String> = self.clusters.iter().map(Shape::word).collect();
            let only = self.only.map(|only| format!(" ONLY={only:?}")).unwrap_or_default();
            println!("again: make chaos MINUTES={} SEED={seed} CLUSTERS={}{only}", self.minutes, clusters.join(","));
        }
        Ok(!failed)
    }
}

fn table(outcomes: &[(Shape, Outcome)]) {
    let pair = |(overall, partition): (Duration, Duration)| {
        format!("{:.1} s ({:.1} s)", overall.as_secs_f64(), partition.as_secs_f64())
    };
    println!();
    for (shape, outcome) in outcomes {
        println!("{shape}");
        let faults: Vec<String> =
            KINDS.iter().filter_map(|kind| outcome.faults.get(kind).map(|many| format!("{kind} {many}"))).collect();
        println!("  rounds {}, faults: {}", outcome.rounds, faults.join(", "));
        println!(
            "  acknowledged {}, found {}, given up by clients {}, violations {}",
            outcome.acknowledged,
            outcome.found,
            outcome.refused,
            outcome.violations.len()
        );
        println!(
            "  longest stall (of one partition): under faults {}, restarts of all {}; whole again within {:.1} s",
            pair(outcome.stalls),
            pair(outcome.roll),
            outcome.healed.as_secs_f64()
        );
        for violation in outcome.violations.iter().take(20) {
            println!("  VIOLATION {violation}");
        }
    }
}
