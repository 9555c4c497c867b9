//! What a person would look at when something failed.

use super::{kubectl, kubectl_json, name};

/// Prints the state of a namespace and of the operator to standard error.
pub fn tell(namespace: &str) {
    section(namespace, &["get", "kafkaclusters,kafkatopics,all,persistentvolumeclaims", "--output", "wide"]);
    section(namespace, &["describe", "kafkaclusters,kafkatopics,pods"]);
    section(namespace, &["get", "events", "--sort-by", ".lastTimestamp"]);
    section("odradek", &["get", "pods", "--output", "wide"]);
    section("odradek", &["logs", "--selector", "app.kubernetes.io/name=odradek-operator", "--tail", "60"]);
    let Ok(pods) = kubectl_json(&["--namespace", namespace, "get", "pods"]) else { return };
    for pod in pods["items"].as_array().into_iter().flatten() {
        section(namespace, &["logs", name(pod), "--tail", "60"]);
        if pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0) > 0 {
            section(namespace, &["logs", name(pod), "--previous", "--tail", "60"]);
        }
    }
}

fn section(namespace: &str, arguments: &[&str]) {
    let all = [&["--namespace", namespace], arguments].concat();
    match kubectl(&all) {
        Ok(text) => eprintln!("--- kubectl {}\n{text}", all.join(" ")),
        Err(error) => eprintln!("--- {error:#}"),
    }
}
