//! A namespace of a test: made for it, told when it fails, gone after it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Forward, kubectl, kubectl_json, name, state, uid};
use crate::tools::{root, run};
use crate::wait;

/// How long namespaces may take to go, with brokers that stop in an orderly way.
const GONE: Duration = Duration::from_secs(120);

/// A namespace of Kubernetes.
#[derive(Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
}

/// Tests run beside others but for those that change what is everybody's: nodes, the operator.
static EVERYBODYS: RwLock<()> = RwLock::new(());

/// Runs a test in a namespace of its own while other tests may run. When it fails, the state of things goes to standard
/// error; with `ODRADEK_E2E_KEEP` set, the namespace then stays. Nobody waits here until the namespace has gone:
/// `e2e/kubernetes` does for all of them, at the end.
///
/// # Errors
/// What the test says.
pub fn in_namespace(test: &str, body: impl FnOnce(&Namespace) -> Result<()>) -> Result<()> {
    let _shared = EVERYBODYS.read().unwrap_or_else(PoisonError::into_inner);
    run_in(test, body)
}

/// The same for a test that changes nodes or the operator, or measures: no other one runs meanwhile, and what others left
/// has gone before it begins.
///
/// # Errors
/// What the test says, or a namespace of another test does not go away.
pub fn in_namespace_alone(test: &str, body: impl FnOnce(&Namespace) -> Result<()>) -> Result<()> {
    let _alone = EVERYBODYS.write().unwrap_or_else(PoisonError::into_inner);
    wait::until("namespaces of other tests go", GONE, || {
        let all = kubectl(&["get", "namespaces", "--no-headers"]).map_err(|error| format!("{error:#}"))?;
        match all.lines().find(|line| line.starts_with("e2e-") && line.contains("Terminating")) {
            Some(line) => Err(line.to_owned()),
            None => Ok(()),
        }
    })?;
    run_in(test, body)
}

fn run_in(test: &str, body: impl FnOnce(&Namespace) -> Result<()>) -> Result<()> {
    let began = Instant::now();
    let namespace = Namespace::create(test)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| body(&namespace)));
    let failed = !matches!(outcome, Ok(Ok(())));
    if failed {
        if let Ok(Err(error)) = &outcome {
            eprintln!("{test}: FAILED: {error:?}");
        }
        state::tell(&namespace.name);
        if std::env::var_os("ODRADEK_E2E_KEEP").is_some() {
            eprintln!("{test}: the namespace {} stays", namespace.name);
            return outcome.unwrap_or_else(|panic| resume_unwind(panic));
        }
    }
    let deleted = namespace.delete(failed);
    eprintln!("{test}: {:.1} s in all", began.elapsed().as_secs_f64());
    outcome.unwrap_or_else(|panic| resume_unwind(panic)).and(deleted)
}

impl Namespace {
    fn create(test: &str) -> Result<Namespace> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
        let name = format!("e2e-{test}-{:06x}", (nanos ^ std::process::id().rotate_left(16)) & 0x00ff_ffff);
        kubectl(&["create", "namespace", &name])?;
        Ok(Namespace { name })
    }

    fn delete(&self, failed: bool) -> Result<()> {
        if failed {
            // Nothing is expected of what failed, so nothing waits for it.
            drop(self.kubectl(&["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"]));
        }
        kubectl(&["delete", "namespace", &self.name, "--wait=false"]).map(drop)
    }

    /// Runs `kubectl` in the namespace.
    ///
    /// # Errors
    /// It failed; the error has all that it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    /// An object, such as `kafkacluster/demo`.
    ///
    /// # Errors
    /// It is not there.
    pub fn get(&self, object: &str) -> Result<Value> {
        kubectl_json(&["--namespace", &self.name, "get", object])
    }

    /// All objects of a kind with these labels (none: all).
    ///
    /// # Errors
    /// They cannot be read.
    pub fn list(&self, kind: &str, labels: &str) -> Result<Vec<Value>> {
        let list = kubectl_json(&["--namespace", &self.name, "get", kind, "--selector", labels])?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Applies a file of the checkout, as it is.
    ///
    /// # Errors
    /// It is refused.
    pub fn apply_file(&self, path: &str) -> Result<()> {
        let path = root().join(path);
        self.kubectl(&["apply", "--filename", path.to_str().context("the checkout's path is no text")?]).map(drop)
    }

    /// Applies a text.
    ///
    /// # Errors
    /// It is refused.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        self.try_apply(yaml)?.ok().map(drop)
    }

    /// Applies a text that is to be refused, and gives what is said.
    ///
    /// # Errors
    /// It is accepted.
    pub fn refused(&self, yaml: &str) -> Result<String> {
        let output = self.try_apply(yaml)?;
        ensure!(!output.success, "this was accepted:\n{yaml}");
        Ok(output.err)
    }

    fn try_apply(&self, yaml: &str) -> Result<crate::tools::Output> {
        run(Command::new("kubectl").args(["--namespace", &self.name, "apply", "--filename", "-"]), yaml.as_bytes())
    }

    /// Merges JSON into the spec of an object.
    ///
    /// # Errors
    /// It is refused.
    pub fn patch(&self, object: &str, spec: &str) -> Result<()> {
        self.kubectl(&["patch", object, "--type", "merge", "--patch", &format!("{{\"spec\":{spec}}}")]).map(drop)
    }

    /// Waits until a condition of the object's present generation has a status (`True`, `False`); gives the object.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_condition(&self, object: &str, type_: &str, status: &str, within: Duration) -> Result<Value> {
        self.kubectl(&[
            "wait",
            &format!("--for=condition={type_}={status}"),
            object,
            &format!("--timeout={}s", within.as_secs()),
        ])?;
        self.get(object)
    }

    /// Looks at an object until `look` is content with it.
    ///
    /// # Errors
    /// What `look` said last.
    pub fn wait_object<T>(
        &self,
        object: &str,
        within: Duration,
        look: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T> {
        wait::until(object, within, || look(&self.get(object).map_err(|error| format!("{error:#}"))?))
    }

    /// Applies `examples/cluster.yaml`, the cluster `demo`, and waits until it is Ready; gives it and the seconds.
    ///
    /// # Errors
    /// It is not Ready in time.
    pub fn demo_cluster(&self) -> Result<(Value, f64)> {
        let began = Instant::now();
        self.apply_file("examples/cluster.yaml")?;
        let cluster = self.wait_condition("kafkacluster/demo", "Ready", "True", Duration::from_secs(90))?;
        Ok((cluster, began.elapsed().as_secs_f64()))
    }

    /// Applies a cluster of the name `demo`, and waits until it is Ready; gives the seconds.
    ///
    /// # Errors
    /// It is not Ready in time.
    pub fn cluster(&self, spec: &str, within: Duration) -> Result<f64> {
        let began = Instant::now();
        self.apply(&format!(
            "apiVersion: odradek.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {{ name: demo }}\nspec: {spec}\n"
        ))?;
        self.wait_condition("kafkacluster/demo", "Ready", "True", within)?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// Applies `examples/topic.yaml`, the topic `orders`, and waits until it is Ready.
    ///
    /// # Errors
    /// It is not Ready in time.
    pub fn orders_topic(&self) -> Result<Value> {
        self.apply_file("examples/topic.yaml")?;
        self.wait_condition("kafkatopic/orders", "Ready", "True", Duration::from_secs(30))
    }

    /// The pods of the cluster `demo`, by name, with their UIDs.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn pod_uids(&self) -> Result<BTreeMap<String, String>> {
        let pods = self.list("pods", "odradek.dev/cluster=demo")?;
        Ok(pods.iter().map(|pod| (name(pod).to_owned(), uid(pod).to_owned())).collect())
    }

    /// The pod of a broker of the cluster `demo`.
    ///
    /// # Errors
    /// The status does not know the broker.
    pub fn broker_pod(&self, id: i32) -> Result<String> {
        let cluster = self.get("kafkacluster/demo")?;
        let brokers = cluster["status"]["brokers"].as_array().cloned().unwrap_or_default();
        let found = brokers.iter().find(|broker| broker["id"] == id).and_then(|broker| broker["pod"].as_str());
        found.map(str::to_owned).with_context(|| format!("no broker {id} in {brokers:?}"))
    }

    /// The pod of the active controller of the cluster `demo`, by what the controllers themselves tell.
    ///
    /// # Errors
    /// None of them says that it is.
    pub fn active_controller(&self) -> Result<String> {
        let controllers = self.list("pods", "odradek.dev/cluster=demo,odradek.dev/controller=true")?;
        for pod in controllers.iter().map(name) {
            // One that was killed a moment ago does not answer, and is not it.
            let page = self.metrics(pod).unwrap_or_default();
            if page.lines().any(|line| line == "odradek_controller_active 1") {
                return Ok(pod.to_owned());
            }
        }
        bail!("no controller is active");
    }

    /// The metrics page of a pod.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self, pod: &str) -> Result<String> {
        kubectl(&["get", "--raw", &format!("/api/v1/namespaces/{}/pods/{pod}:8080/proxy/metrics", self.name)])
    }

    /// Deletes a pod without a word to it: Kubernetes forgets it at once and kills it after a moment.
    ///
    /// # Errors
    /// It is not there.
    pub fn kill_pod(&self, pod: &str) -> Result<()> {
        self.kubectl(&["delete", "pod", pod, "--grace-period=0", "--force", "--wait=false"]).map(drop)
    }

    /// Waits until pods of these names are there with other UIDs, and the cluster `demo` is Ready with all in sync.
    ///
    /// # Errors
    /// Not in time.
    pub fn wait_replaced(&self, before: &BTreeMap<String, String>, within: Duration) -> Result<()> {
        let began = Instant::now();
        wait::until("other pods take the places", within, || {
            let now = self.pod_uids().map_err(|error| format!("{error:#}"))?;
            let same = before.iter().find(|(pod, uid)| now.get(*pod).is_none_or(|other| other == *uid));
            same.map_or(Ok(()), |(pod, _)| Err(format!("{pod} is not a new one yet")))
        })?;
        let pods: Vec<String> = before.keys().map(|pod| format!("pod/{pod}")).collect();
        let timeout = format!("--timeout={}s", within.as_secs());
        let mut arguments = vec!["wait", "--for=condition=Ready", &timeout];
        arguments.extend(pods.iter().map(String::as_str));
        self.kubectl(&arguments)?;
        let left = within.saturating_sub(began.elapsed()).max(Duration::from_secs(5));
        self.wait_condition("kafkacluster/demo", "Ready", "True", left)?;
        self.wait_condition("kafkacluster/demo", "InSync", "True", left)?;
        Ok(())
    }

    /// An admin client of the cluster `demo`, through the API server.
    ///
    /// # Errors
    /// No broker is ready.
    pub fn admin(&self) -> Result<(Forward, odradek_client::Admin)> {
        let forward = Forward::open(&self.name, "service/demo-bootstrap", 9092)?;
        let admin = odradek_client::Admin::new(odradek_client::ClientConfig {
            bootstrap: vec![forward.address.clone()],
            client_id: "e2e".to_owned(),
            ..odradek_client::ClientConfig::default()
        });
        Ok((forward, admin))
    }
}
