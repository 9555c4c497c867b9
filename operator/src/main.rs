//! `odradek-operator`: reconciles KafkaCluster and KafkaTopic.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::Parser;
use kube::Client;
use odradek_operator::{
    cluster::controller::ClusterController, context::Context, http, leader::Candidate, metrics::Metrics, topic,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing_subscriber::EnvFilter;

/// Runs Kafka-compatible broker clusters on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "odradek-operator", version, about)]
struct Args {
    /// The only namespace to look at. All when absent.
    #[arg(long, env = "ODRADEK_NAMESPACE")]
    namespace: Option<String>,
    /// Image of brokers whose spec names none.
    #[arg(long, env = "ODRADEK_BROKER_IMAGE", default_value = "odradek/broker:dev")]
    broker_image: String,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "ODRADEK_HTTP_LISTENER", default_value = "0.0.0.0:8080")]
    http_listener: SocketAddr,
    /// Whether to wait for the lease before reconciling.
    #[arg(long, env = "ODRADEK_LEADER_ELECTION", default_value_t = true, action = clap::ArgAction::Set)]
    leader_election: bool,
    /// Namespace of the lease. The namespace of the process or of the kubeconfig when absent.
    #[arg(long, env = "POD_NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of this process in the lease.
    #[arg(long, env = "POD_NAME")]
    identity: Option<String>,
    /// Log lines as JSON.
    #[arg(long, env = "ODRADEK_LOG_JSON", default_value_t = false, action = clap::ArgAction::Set)]
    log_json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    start_logging(args.log_json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("odradek-operator: cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("odradek-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_client=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if json {
        builder.json().init();
    } else {
        builder.init();
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("cannot reach Kubernetes")?;
    let metrics = Metrics::default();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(http::serve(args.http_listener, metrics.clone(), until(stopped.clone())));
    let candidate = Candidate::new(
        client.clone(),
        args.lease_namespace.as_deref().unwrap_or_else(|| client.default_namespace()),
        "odradek-operator",
        args.identity.clone().unwrap_or_else(|| format!("odradek-operator-{}", std::process::id())),
    );
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let asked_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(asked_to_stop);
    if args.leader_election {
        tokio::select! {
            () = candidate.acquire() => {}
            () = &mut asked_to_stop => return Ok(()),
        }
    }
    metrics.set_leader(true);
    tracing::info!(namespace = args.namespace.as_deref().unwrap_or("all"), "reconciling");
    let ctx = Arc::new(Context::new(client, args.namespace, args.broker_image, metrics));
    let clusters = ClusterController::new(&ctx);
    let cluster_task = tokio::spawn(clusters.run(ctx.clone(), until(stopped.clone())));
    let topic_task = tokio::spawn(topic::controller::run(ctx, until(stopped)));
    let lost = async { if args.leader_election { candidate.hold().await } else { std::future::pending().await } };
    let outcome = tokio::select! {
        () = &mut asked_to_stop => Ok(()),
        // Another process may reconcile from now on: nothing may be finished here.
        () = lost => return Err(anyhow::anyhow!("lost the lease to another process")),
        ended = serving => Err(anyhow::anyhow!("cannot serve on {}: {ended:?}", args.http_listener)),
    };
    tracing::info!("stopping");
    stop.send_replace(true);
    let (clusters, topics) = tokio::join!(cluster_task, topic_task);
    if args.leader_election {
        candidate.release().await;
    }
    clusters.context("the controller of clusters failed")?;
    topics.context("the controller of topics failed")?;
    outcome
}

/// Resolves when the process stops.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
