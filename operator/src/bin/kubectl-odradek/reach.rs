//! The ways to Kubernetes and, from outside of it, to brokers.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use anyhow::{Context as _, bail};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, Config, ResourceExt,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use odradek_client::Admin;
use odradek_crds::{CLUSTER_LABEL, KafkaCluster};
use odradek_operator::{
    cluster::{desired::properties::HTTP_PORT, pods::PodView},
    context::Context,
    kafka::restart::Door,
    metrics::Metrics,
    names::BROKER_LABEL,
};

use crate::To;

/// How long `kubectl port-forward` may wait for a pod to run.
const POD_TIMEOUT: &str = "--pod-running-timeout=5s";

/// The ways that the arguments describe.
pub struct Reach {
    /// The API server.
    pub client: Client,
    /// Namespace of what names none.
    pub namespace: String,
    bootstrap_server: Option<String>,
    kubectl: Vec<String>,
    forwards: Mutex<Vec<Forward>>,
}

impl Reach {
    /// Finds the API server.
    pub async fn new(to: To) -> anyhow::Result<Reach> {
        let options = KubeConfigOptions { context: to.context.clone(), ..KubeConfigOptions::default() };
        let config = match (&to.kubeconfig, &to.context) {
            (None, None) => Config::infer().await.context("cannot find a kubeconfig")?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await.context("cannot read the kubeconfig")?,
            (Some(path), _) => {
                let file = Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
                Config::from_custom_kubeconfig(file, &options).await.context("cannot use the kubeconfig")?
            }
        };
        let namespace = to.namespace.unwrap_or_else(|| config.default_namespace.clone());
        let path = |path: PathBuf| format!("--kubeconfig={}", path.display());
        let kubectl = to.kubeconfig.map(path).into_iter().chain(to.context.map(|name| format!("--context={name}")));
        Ok(Reach {
            client: Client::try_from(config).context("cannot reach Kubernetes")?,
            namespace,
            bootstrap_server: to.bootstrap_server,
            kubectl: kubectl.collect(),
            forwards: Mutex::default(),
        })
    }

    /// What the operator's own code needs to read a cluster.
    pub fn context(&self, broker_image: String) -> Context {
        Context::new(self.client.clone(), None, broker_image, Metrics::default())
    }

    /// The door of a pod's HTTP port.
    pub fn door(&self, namespace: &str, pod: &PodView) -> Door {
        let (client, namespace, pod) = (self.client.clone(), namespace.to_owned(), pod.name.clone());
        Door::Proxy { client, namespace, pod, port: HTTP_PORT }
    }

    /// Opens a way to the brokers of a cluster, which serve at a port now and which `ctx` asks that way from then on. None
    /// when no broker serves.
    pub async fn brokers(&self, cluster: &KafkaCluster, port: u16, ctx: &Context) -> anyhow::Result<Option<Admin>> {
        if let Some(address) = &self.bootstrap_server {
            return Ok(Some(ctx.kafka.through(cluster, address.clone())));
        }
        let namespace = cluster.namespace().unwrap_or_default();
        let labels = format!("{CLUSTER_LABEL}={},{BROKER_LABEL}", cluster.name_any());
        let pods = Api::<Pod>::namespaced(self.client.clone(), &namespace);
        let pods = pods.list(&ListParams::default().labels(&labels)).await.context("cannot list pods")?;
        let view = |pod: &Pod| PodView::of(pod, &cluster.spec.rack.topology_key);
        let Some(pod) = pods.iter().filter_map(view).find(PodView::ready) else { return Ok(None) };
        let forward = self.forward(&namespace, &pod.name, port)?;
        let admin = ctx.kafka.through(cluster, forward.address.clone());
        // Kept until the end.
        self.forwards.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(forward);
        Ok(Some(admin))
    }

    fn forward(&self, namespace: &str, pod: &str, port: u16) -> anyhow::Result<Forward> {
        let target = format!("pod/{pod}");
        let mut child = Command::new("kubectl")
            .args(&self.kubectl)
            .args(["--namespace", namespace, "port-forward", &target, &format!(":{port}"), POD_TIMEOUT])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start kubectl, which forwards a port to a broker: put it on the PATH, or name a broker that is reached from here with --bootstrap-server")?;
        let mut stdout = BufReader::new(child.stdout.take().context("kubectl has no output")?);
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        // "Forwarding from 127.0.0.1:40123 -> 9092"
        let address = line.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let forward = Forward { child, address, _stdout: stdout };
        if read.is_err() || forward.address.is_empty() {
            bail!("kubectl port-forward to {target} in the namespace {namespace} failed");
        }
        Ok(forward)
    }

    /// The image that the operator gives brokers whose spec names none.
    pub async fn broker_image(&self) -> anyhow::Result<String> {
        const VARIABLE: &str = "ODRADEK_BROKER_IMAGE";
        let told = "name the image that the operator gives brokers with --broker-image";
        let labels = ListParams::default().labels("app.kubernetes.io/name=odradek-operator");
        let all = Api::<Deployment>::all(self.client.clone()).list(&labels).await;
        let all = all.with_context(|| format!("cannot look for the operator's Deployment; {told}"))?;
        let containers = all.iter().filter_map(|d| d.spec.as_ref()?.template.spec.as_ref()).flat_map(|s| &s.containers);
        let variables = containers.flat_map(|container| container.env.iter().flatten());
        let mut images: Vec<&String> =
            variables.filter(|variable| variable.name == VARIABLE).filter_map(|v| v.value.as_ref()).collect();
        images.sort();
        images.dedup();
        match images[..] {
            [image] => Ok(image.clone()),
            [] => bail!("no Deployment of an operator says which image brokers get; {told}"),
            _ => bail!("operators give brokers different images ({images:?}); {told}"),
        }
    }
}

/// `kubectl port-forward`, for as long as the value lives.
struct Forward {
    child: Child,
    address: String,
    /// Left open: kubectl ends when it cannot tell of a connection.
    _stdout: BufReader<ChildStdout>,
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself, with its pod.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
