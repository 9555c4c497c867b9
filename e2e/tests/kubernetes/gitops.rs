//! What GitOps tools meet: the examples as Argo CD and Flux apply them, health as they compute it, no difference
//! afterwards, and a chart that brings its CRDs along.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_e2e::kubernetes::{Namespace, in_namespace, kubectl};
use odradek_e2e::tools::{root, run};
use odradek_e2e::wait;
use serde_json::{Value, json};

/// How kstatus, which Flux waits by, and Argo CD's health check see a resource.
fn judged(resource: &Value) -> Result<(String, String)> {
    let text = resource.to_string();
    let verdict = run(&mut Command::new(root().join("e2e/gitops/judge")), text.as_bytes())?.ok()?;
    let verdict: Value = serde_json::from_str(&verdict)?;
    let word = |key: &str| verdict[key].as_str().map(str::to_owned).context("no verdict");
    Ok((word("kstatus")?, word("argo")?))
}

fn healthy(namespace: &Namespace, object: &str, within: u64) -> Result<()> {
    wait::until(&format!("{object} is healthy"), Duration::from_secs(within), || {
        let resource = namespace.get(object).map_err(|error| format!("{error:#}"))?;
        let verdict = judged(&resource).map_err(|error| format!("{error:#}"))?;
        if verdict == ("Current".to_owned(), "Healthy".to_owned()) { Ok(()) } else { Err(format!("{verdict:?}")) }
    })
}

#[test]
fn health_is_what_the_conditions_say() -> Result<()> {
    let resource = |generation: i64, conditions: Value| {
        json!({
            "apiVersion": "odradek.dev/v1alpha1", "kind": "KafkaTopic", "metadata": { "generation": 2 },
            "status": { "observedGeneration": generation, "conditions": conditions },
        })
    };
    let condition = |type_: &str, status: &str| json!({ "type": type_, "status": status, "message": "m" });
    let new = json!({
        "apiVersion": "odradek.dev/v1alpha1", "kind": "KafkaCluster", "metadata": { "generation": 1 },
        "status": { "conditions": [condition("Ready", "Unknown")] },
    });
    let cases = [
        ("new", new, ("InProgress", "Progressing")),
        ("ready", resource(2, json!([condition("Ready", "True")])), ("Current", "Healthy")),
        ("not seen yet", resource(1, json!([condition("Ready", "True")])), ("InProgress", "Progressing")),
        ("not ready", resource(2, json!([condition("Ready", "False")])), ("InProgress", "Progressing")),
        (
            "at work",
            resource(2, json!([condition("Ready", "True"), condition("Reconciling", "True")])),
            ("InProgress", "Progressing"),
        ),
        (
            "refused",
            resource(2, json!([condition("Ready", "False"), condition("Stalled", "True")])),
            ("Failed", "Degraded"),
        ),
    ];
    for (name, resource, (kstatus, argo)) in cases {
        ensure!(judged(&resource)? == (kstatus.to_owned(), argo.to_owned()), "{name}: {:?}", judged(&resource)?);
    }
    Ok(())
}

#[test]
fn gitops_tools_see_what_they_applied() -> Result<()> {
    in_namespace("gitops", |namespace| {
        let app = root().join("examples/gitops/app");
        let app = app.to_str().context("a path")?;
        // As Flux and Argo CD do: server-side, with a manager of their own.
        let apply = ["apply", "--server-side", "--field-manager", "kustomize-controller", "--kustomize", app];
        namespace.kubectl(&apply)?;
        namespace.kubectl(&["label", "kafkacluster/shop", "app.kubernetes.io/instance=shop"])?;
        namespace.kubectl(&["annotate", "kafkacluster/shop", "argocd.argoproj.io/tracking-id=shop:x"])?;
        for object in ["kafkacluster/shop", "kafkatopic/orders", "kafkatopic/payments"] {
            healthy(namespace, object, 90)?;
        }
        // kubectl diff ends with 1 where there is a difference.
        let diff = ["diff", "--server-side", "--field-manager", "kustomize-controller", "--kustomize", app];
        namespace.kubectl(&diff).context("the live objects differ from what was applied")?;
        namespace.kubectl(&["diff", "--kustomize", app]).context("they differ for a client-side apply")?;
        // No conflict: the operator owns nothing of the spec.
        namespace.kubectl(&apply)?;
        nothing_of_argos_is_copied(namespace)?;
        a_hand_edit_is_put_back_and_told(namespace)
    })
}

/// Argo CD takes what carries its label for its own, and prunes it.
fn nothing_of_argos_is_copied(namespace: &Namespace) -> Result<()> {
    let kinds = "statefulsets,pods,persistentvolumeclaims,services,configmaps,poddisruptionbudgets";
    let made = namespace.list(kinds, "odradek.dev/cluster=shop")?;
    ensure!(made.len() > 10, "only {} objects", made.len());
    for object in &made {
        let metadata = &object["metadata"];
        ensure!(metadata["labels"]["app.kubernetes.io/instance"].is_null(), "{metadata}");
        ensure!(metadata["annotations"]["argocd.argoproj.io/tracking-id"].is_null(), "{metadata}");
    }
    Ok(())
}

fn a_hand_edit_is_put_back_and_told(namespace: &Namespace) -> Result<()> {
    let before = namespace.get("service/shop-bootstrap")?["spec"]["ports"].clone();
    // Items of lists need more than server-side apply: it leaves those that somebody else put there.
    let edits = [
        r#"[{"op": "replace", "path": "/spec/ports/0/port", "value": 9999}]"#,
        r#"[{"op": "add", "path": "/spec/ports/-", "value": {"name": "more", "port": 9998}}]"#,
    ];
    for edit in edits {
        namespace.kubectl(&["patch", "service/shop-bootstrap", "--type", "json", "--patch", edit])?;
        wait::until("the ports are put back", Duration::from_secs(30), || {
            let ports =
                namespace.get("service/shop-bootstrap").map_err(|error| format!("{error:#}"))?["spec"]["ports"].clone();
            if ports == before { Ok(()) } else { Err(ports.to_string()) }
        })?;
    }
    wait::until("an Event says who it was", Duration::from_secs(30), || {
        let events = namespace.list("events.events.k8s.io", "").map_err(|error| format!("{error:#}"))?;
        let told =
            |event: &&Value| event["note"].as_str().is_some_and(|note| note.contains("changed by kubectl-patch"));
        events.iter().find(told).map(|_| ()).ok_or_else(|| format!("{} others", events.len()))
    })
}

/// Flux's own CRDs judge the example for it.
#[test]
fn the_flux_example_is_valid() -> Result<()> {
    let crds = run(&mut Command::new(root().join("e2e/gitops/flux-crds")), b"")?.ok()?;
    let files: Vec<&str> = crds.lines().collect();
    ensure!(files.len() == 2, "{crds}");
    in_namespace("flux", |namespace| {
        for file in &files {
            kubectl(&["apply", "--server-side", "--filename", file])?;
        }
        let outcome = wait::until("the example is taken", Duration::from_secs(30), || {
            let text = std::fs::read_to_string(root().join("examples/gitops/flux/shop.yaml"))
                .map_err(|error| error.to_string())?
                .replace("namespace: flux-system", &format!("namespace: {}", namespace.name));
            let apply = ["apply", "--dry-run=server", "--validate=strict", "--filename", "-"];
            let output =
                run(Command::new("kubectl").args(apply), text.as_bytes()).map_err(|error| error.to_string())?;
            if output.success { Ok(()) } else { Err(output.err) }
        });
        for file in &files {
            kubectl(&["delete", "--filename", file])?;
        }
        outcome
    })
}

/// Helm leaves what lies in a chart's crds/ folder alone after the first install; ours follow each upgrade.
#[test]
fn an_upgrade_of_the_chart_brings_the_crds_along() -> Result<()> {
    let description = || {
        let path =
            "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.topicName.description}";
        kubectl(&["get", "crd", "kafkatopics.odradek.dev", "--output", path])
    };
    let upgrade = |chart: &std::path::Path| -> Result<()> {
        let chart = chart.to_str().context("a path")?;
        let arguments = ["upgrade", "odradek", chart, "--namespace", "odradek", "--reuse-values", "--wait"];
        run(Command::new("helm").args(arguments), b"")?.ok().map(drop)
    };
    let now = description()?;
    ensure!(!now.is_empty(), "no description");
    // The chart of a release before.
    let chart = root().join("charts/odradek");
    let dir = tempfile::tempdir()?;
    let before = dir.path().join("odradek");
    run(Command::new("cp").arg("-r").arg(&chart).arg(&before), b"")?.ok()?;
    let file = before.join("files/crds/kafkatopics.yaml");
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains(&now), "the description is not in one line of the chart's file");
    std::fs::write(&file, text.replace(&now, "Of a release before."))?;
    upgrade(&before)?;
    ensure!(description()? == "Of a release before.", "{}", description()?);
    upgrade(&chart)?;
    ensure!(description()? == now, "{}", description()?);
    Ok(())
}
