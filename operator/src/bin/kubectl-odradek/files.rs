//! Reads the documents of files.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use odradek_crds::{KafkaCluster, KafkaTopic};
use serde_json::Value;

/// A KafkaCluster or a KafkaTopic as it stands in a file.
#[derive(Debug, PartialEq)]
pub enum Document {
    /// A cluster.
    Cluster(Value),
    /// A topic.
    Topic(Value),
}

/// Reads files, folders (their .yaml, .yml and .json files, in order) and standard input (`-`).
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            parse("standard input", &text, &mut documents)?;
            continue;
        }
        for file in files(path)? {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {name}"))?;
            parse(&name, &text, &mut documents)?;
        }
    }
    ensure!(!documents.is_empty(), "there is no KafkaCluster and no KafkaTopic in what was given");
    Ok(documents)
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let file = entry?.path();
        let known = file.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if known && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn parse(name: &str, text: &str, documents: &mut Vec<Document>) -> anyhow::Result<()> {
    let values: Vec<Value> = serde_yaml::from_multiple(text).with_context(|| format!("{name} is no YAML"))?;
    for value in values {
        sort(name, value, documents)?;
    }
    Ok(())
}

fn sort(file: &str, value: Value, documents: &mut Vec<Document>) -> anyhow::Result<()> {
    let word = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind, name) = (word("/apiVersion"), word("/kind"), word("/metadata/name"));
    match (version.as_str(), kind.as_str()) {
        _ if value.is_null() => return Ok(()),
        ("v1", "List") => {
            for item in value["items"].as_array().cloned().unwrap_or_default() {
                sort(file, item, documents)?;
            }
            return Ok(());
        }
        ("odradek.dev/v1alpha1", "KafkaCluster") => {
            check::<KafkaCluster>(&value).with_context(|| format!("{file}: KafkaCluster {name}"))?;
            documents.push(Document::Cluster(value));
        }
        ("odradek.dev/v1alpha1", "KafkaTopic") => {
            check::<KafkaTopic>(&value).with_context(|| format!("{file}: KafkaTopic {name}"))?;
            documents.push(Document::Topic(value));
        }
        ("", _) | (_, "") => bail!("{file}: a document without apiVersion or kind"),
        // A file may hold the rest of an application.
        _ => {
            eprintln!("{file}: {version} {kind} {name} is not looked at");
            return Ok(());
        }
    }
    ensure!(!name.is_empty(), "{file}: a {kind} without metadata.name");
    Ok(())
}

fn check<T: serde::de::DeserializeOwned>(value: &Value) -> anyhow::Result<()> {
    serde_json::from_value::<T>(value.clone())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Document>, String> {
        let mut documents = Vec::new();
        parse("f", text, &mut documents).map_err(|error| format!("{error:#}"))?;
        Ok(documents)
    }

    #[test]
    fn a_file_may_hold_many_documents_and_others() {
        let text = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\n---\n\
                    apiVersion: odradek.dev/v1alpha1\nkind: KafkaCluster\nmetadata: { name: demo }\nspec: {}\n---\n\
                    apiVersion: v1\nkind: List\nitems:\n- apiVersion: odradek.dev/v1alpha1\n  kind: KafkaTopic\n  \
                    metadata: { name: orders }\n  spec: { partitions: 3 }\n";
        let documents = parsed(text).expect("documents");
        assert!(matches!(&documents[..], [Document::Cluster(c), Document::Topic(t)]
            if c["metadata"]["name"] == "demo" && t["spec"]["partitions"] == 3));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let head = "apiVersion: odradek.dev/v1alpha1\nkind: KafkaTopic\n";
        let wrong = parsed(&format!("{head}metadata: {{ name: t }}\nspec: {{ partitions: many }}\n")).unwrap_err();
        assert!(wrong.contains("f: KafkaTopic t") && wrong.contains("many"), "{wrong}");
        let nameless = parsed(&format!("{head}metadata: {{}}\nspec: {{}}\n")).unwrap_err();
        assert!(nameless.contains("metadata.name"), "{nameless}");
        let unkind = parsed("a: 1\n").unwrap_err();
        assert!(unkind.contains("apiVersion"), "{unkind}");
    }
}
