//! A snapshot of every object, for the shapes of cluster that there are.

use super::objects;
use crate::cluster::fixtures::valid;

/// Every object as YAML, with its kind and name before it.
fn rendered(spec: &str) -> String {
    let valid = valid(spec);
    objects(&valid, valid.max_unavailable)
        .expect("objects")
        .iter()
        .map(|object| {
            let yaml = serde_yaml::to_string(&object.value).expect("YAML");
            format!("# {} {}\n{yaml}---\n", object.api.kind, object.name)
        })
        .collect()
}

#[test]
fn defaults() {
    insta::assert_snapshot!(rendered("{}"));
}

#[test]
fn everything_said() {
    insta::assert_snapshot!(rendered(include_str!("testdata/everything.yaml")));
}

#[test]
fn one_combined_node() {
    insta::assert_snapshot!(rendered(
        "nodePools: [{ name: node, replicas: 1, roles: [controller, broker], storage: { type: ephemeral } }]"
    ));
}

#[test]
fn the_examples_are_valid() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut clusters = 0;
    let files = std::fs::read_dir(&folder).expect("examples").map(|entry| entry.expect("an entry").path());
    let gitops = folder.join("gitops/app/cluster.yaml");
    for path in files.filter(|path| path.is_file()).chain([gitops]) {
        let text = std::fs::read_to_string(path).expect("a file");
        let value: serde_json::Value = serde_yaml::from_str(&text).expect("one document of YAML");
        match value["kind"].as_str() {
            Some("KafkaCluster") => {
                let spec = serde_json::to_string(&value["spec"]).expect("JSON");
                assert!(!rendered(&spec).is_empty());
                clusters += 1;
            }
            Some("KafkaTopic") => {
                let topic: odradek_crds::KafkaTopic = serde_json::from_value(value).expect("a topic");
                assert_eq!(crate::kafka::keys::problems(crate::kafka::keys::Scope::Topic, &topic.spec.config), []);
            }
            other => panic!("an example of kind {other:?}"),
        }
    }
    assert!(clusters >= 2);
}
