//! The operator's own pod, in the namespace `odradek`: replaced, killed at a failpoint, measured.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{condition, kubectl, kubectl_json, name, uid};
use crate::wait;

const NAMESPACE: &str = "odradek";
const SOON: Duration = Duration::from_secs(90);

/// The operator's pod, once it runs and leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: String,
}

/// CPU and memory of a process, as the kubelet counts them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// CPU seconds since its start.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
}

fn pods() -> Result<Vec<Value>> {
    let labels = ["--selector", "app.kubernetes.io/name=odradek-operator"];
    let list = kubectl_json(&[&["--namespace", NAMESPACE, "get", "pods"], labels.as_slice()].concat())?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

impl Operator {
    /// Waits for the one pod that there is to lead.
    ///
    /// # Errors
    /// Not in time.
    pub fn leading() -> Result<Operator> {
        wait::until("the operator leads", SOON, || {
            let all = pods().map_err(|error| format!("{error:#}"))?;
            let [pod] = &all[..] else { return Err(format!("{} pods", all.len())) };
            if condition(pod, "Ready").is_none_or(|ready| ready["status"] != "True") {
                return Err(pod["status"].to_string());
            }
            let operator = Operator { pod: name(pod).to_owned(), uid: uid(pod).to_owned() };
            let metrics = operator.get("metrics").map_err(|error| format!("{error:#}"))?;
            let leads = metrics.lines().any(|line| line == "odradek_operator_leader 1");
            if leads { Ok(operator) } else { Err("it waits for the lease".to_owned()) }
        })
    }

    /// A new pod in the place of this one, which gives its lease back.
    ///
    /// # Errors
    /// Not in time.
    pub fn replaced(self) -> Result<Operator> {
        kubectl(&["--namespace", NAMESPACE, "delete", "pod", &self.pod, "--wait=true", "--timeout=60s"])?;
        Operator::leading()
    }

    /// Killed without a word to it, whatever it was about to do; another process carries on.
    ///
    /// # Errors
    /// It is gone already.
    pub fn kill(self) -> Result<()> {
        let now = ["--grace-period=0", "--force", "--wait=false"];
        kubectl(&[&["--namespace", NAMESPACE, "delete", "pod", &self.pod], now.as_slice()].concat()).map(drop)
    }

    fn path(&self, path: &str) -> String {
        format!("/api/v1/namespaces/{NAMESPACE}/pods/{}:8080/proxy/{path}", self.pod)
    }

    /// A page of its HTTP port.
    ///
    /// # Errors
    /// It does not answer.
    pub fn get(&self, path: &str) -> Result<String> {
        kubectl(&["get", "--raw", &self.path(path)])
    }

    /// The failpoints that its image has.
    ///
    /// # Errors
    /// It has none.
    pub fn failpoints(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_str(&self.get("failpoints")?)?)
    }

    /// Arms a failpoint.
    ///
    /// # Errors
    /// It has no such point.
    pub fn arm(&self, point: &str) -> Result<()> {
        kubectl(&["create", "--raw", &self.path(&format!("failpoints/{point}")), "--filename", "/dev/null"]).map(drop)
    }

    /// How often its container was started anew.
    ///
    /// # Errors
    /// The pod is gone.
    pub fn restarts(&self) -> Result<i64> {
        let pod = kubectl_json(&["--namespace", NAMESPACE, "get", "pod", &self.pod])?;
        pod["status"]["containerStatuses"][0]["restartCount"].as_i64().context("no container")
    }

    /// CPU and memory, as the kubelet counted them last.
    ///
    /// # Errors
    /// The kubelet does not know the pod.
    pub fn usage(&self) -> Result<Usage> {
        let pod = kubectl_json(&["--namespace", NAMESPACE, "get", "pod", &self.pod])?;
        let node = pod["spec"]["nodeName"].as_str().context("it has no node")?;
        let summary = kubectl(&["get", "--raw", &format!("/api/v1/nodes/{node}/proxy/stats/summary")])?;
        let summary: Value = serde_json::from_str(&summary)?;
        let pods = summary["pods"].as_array().into_iter().flatten();
        let of_pod = pods.filter(|pod| pod["podRef"]["name"] == self.pod.as_str());
        let container = of_pod.filter_map(|pod| pod["containers"].as_array()?.first()).next().context("no figures")?;
        Ok(Usage {
            cpu_seconds: container["cpu"]["usageCoreNanoSeconds"].as_f64().context("no CPU time")? / 1e9,
            resident_bytes: container["memory"]["rssBytes"].as_u64().context("no memory")?,
        })
    }

    /// The share of a core that it takes on average over a time, and its memory at the end.
    ///
    /// # Errors
    /// The kubelet does not know the pod.
    pub fn at_rest(&self, over: Duration) -> Result<(f64, u64)> {
        let (began, before) = (Instant::now(), self.usage()?);
        std::thread::sleep(over);
        let after = self.usage()?;
        Ok(((after.cpu_seconds - before.cpu_seconds) / began.elapsed().as_secs_f64(), after.resident_bytes))
    }
}

/// The operator with another image, for as long as the value lives.
#[derive(Debug)]
pub struct OtherImage {
    before: String,
}

impl OtherImage {
    /// Gives the operator an image, and waits until a pod of it leads.
    ///
    /// # Errors
    /// Not in time.
    pub fn set(image: &str) -> Result<(OtherImage, Operator)> {
        let containers = "{.items[*].spec.template.spec.containers[0].image}";
        let before =
            kubectl(&["--namespace", NAMESPACE, "get", "deployments", "--output", &format!("jsonpath={containers}")])?;
        ensure!(!before.is_empty() && !before.contains(' '), "the operator's image: {before:?}");
        let other = OtherImage { before };
        set_image(image)?;
        Ok((other, Operator::leading()?))
    }
}

impl Drop for OtherImage {
    fn drop(&mut self) {
        if let Err(error) = set_image(&self.before).and_then(|()| Operator::leading().map(drop)) {
            eprintln!("the operator keeps a test's image: {error:#}");
        }
    }
}

fn set_image(image: &str) -> Result<()> {
    kubectl(&["--namespace", NAMESPACE, "set", "image", "deployments", "--all", &format!("operator={image}")])?;
    kubectl(&["--namespace", NAMESPACE, "rollout", "status", "deployment", "--timeout=90s"])?;
    // The pod of before may have yet to end.
    wait::until("one pod of the operator is left", SOON, || {
        let all = pods().map_err(|error| format!("{error:#}"))?;
        if all.len() == 1 { Ok(()) } else { Err(format!("{} pods", all.len())) }
    })
}
