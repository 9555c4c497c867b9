//! `kubectl odradek`: what applying a file would do, and existing topics as KafkaTopics.
//!
//! It changes nothing. What it says comes from the operator's own code, on what it reads itself.

mod files;
mod plan;
mod reach;
mod table;
mod topics;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use odradek_crds::DeletionPolicy;

use reach::Reach;

/// Exit code of an error, of a spec that is refused, and of wrong arguments (clap's own).
const FAILED: u8 = 2;

/// Looks into Odradek's clusters. Changes nothing.
#[derive(Debug, Parser)]
#[command(name = "kubectl-odradek", bin_name = "kubectl odradek", version, about)]
struct Arguments {
    #[command(flatten)]
    to: To,
    #[command(subcommand)]
    command: Command,
}

/// Which Kubernetes, and how its brokers are reached.
#[derive(Debug, Args)]
struct To {
    /// Namespace of what names none. The kubeconfig's when absent.
    #[arg(short, long, global = true)]
    namespace: Option<String>,
    /// Context of the kubeconfig.
    #[arg(long, global = true)]
    context: Option<String>,
    /// The kubeconfig. $KUBECONFIG or ~/.kube/config when absent.
    #[arg(long, global = true)]
    kubeconfig: Option<PathBuf>,
    /// A broker's address (host:port) as it is reached from here. When absent, `kubectl port-forward` to a broker's pod.
    #[arg(long, global = true)]
    bootstrap_server: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The steps that applying files would take. Exit code 0: none, 1: some, 2: refused or failed.
    Plan {
        /// Files or folders with KafkaClusters and KafkaTopics; - is standard input.
        #[arg(short, long = "filename", required = true)]
        filename: Vec<PathBuf>,
        /// Image of brokers whose spec names none. When absent, that of the operator's Deployment.
        #[arg(long, env = "ODRADEK_BROKER_IMAGE")]
        broker_image: Option<String>,
        /// How it is printed.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Topics.
    #[command(subcommand)]
    Topics(Topics),
}

#[derive(Debug, Subcommand)]
enum Topics {
    /// Prints existing topics as KafkaTopics: applying them changes nothing.
    Export {
        /// The KafkaCluster.
        cluster: String,
        /// Topics that have a KafkaTopic already are printed too, under the name of that.
        #[arg(long)]
        all: bool,
        /// What deleting a KafkaTopic is to do to its topic.
        #[arg(long, value_enum, default_value_t = Deletion::Delete)]
        deletion_policy: Deletion,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deletion {
    /// The topic is deleted with its records.
    Delete,
    /// The topic stays.
    Retain,
}

impl From<Deletion> for DeletionPolicy {
    fn from(deletion: Deletion) -> Self {
        match deletion {
            Deletion::Delete => DeletionPolicy::Delete,
            Deletion::Retain => DeletionPolicy::Retain,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("kubectl odradek: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let reach = Reach::new(arguments.to).await?;
    match arguments.command {
        Command::Plan { filename, broker_image, output } => {
            let documents = files::read(&filename)?;
            let outcomes = plan::plan(&reach, documents, broker_image).await?;
            match output {
                Output::Table => print!("{}", table::table(&outcomes)),
                Output::Json => println!("{}", serde_json::to_string_pretty(&outcomes)?),
            }
            Ok(outcomes.iter().map(plan::Outcome::code).max().unwrap_or(0))
        }
        Command::Topics(Topics::Export { cluster, all, deletion_policy }) => {
            topics::export(&reach, &cluster, all, deletion_policy.into()).await?;
            Ok(0)
        }
    }
}
