//! Two releases: `kafka-features` unmodified, an upgrade one process at a time, the way back before `metadata.version`
//! is raised, and none after it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use odradek_client::features::METADATA_VERSION;
use odradek_e2e::process::{Broker, Cluster, admin, binary, previous_binary};
use odradek_e2e::tools::{Output, kafka, kcat, run};

const OLD: &str = "4.1-IV0";
const NEW: &str = "4.1-IV1";

fn features(whom: [&str; 2], arguments: &[&str]) -> Result<Output> {
    run(kafka("org.apache.kafka.tools.FeatureCommand")?.args(whom).args(arguments), b"")
}

/// What `describe` says of `metadata.version`.
fn described(whom: [&str; 2]) -> Result<BTreeMap<String, String>> {
    let out = features(whom, &["describe"])?.ok()?;
    let line = out.lines().find(|line| line.starts_with("Feature: metadata.version")).with_context(|| out.clone())?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let pairs = words.windows(2).filter_map(|pair| Some((pair[0].strip_suffix(':')?, pair[1])));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

struct Release {
    cluster: Cluster,
    bootstrap: String,
}

impl Release {
    fn whom(&self) -> [&str; 2] {
        ["--bootstrap-server", &self.bootstrap]
    }

    fn finalized(&self) -> Result<String> {
        described(self.whom())?.remove("FinalizedVersionLevel").context("a level")
    }

    /// Stops the process cleanly, and starts another release over its folder.
    fn becomes(&mut self, at: usize, binary: &Path) -> Result<()> {
        ensure!(self.cluster.brokers[at].stop()? == Some(0), "broker {} did not stop cleanly", at + 1);
        self.cluster.restart_as(at, binary)?;
        self.cluster.wait_registered(3)?;
        self.cluster.wait_in_sync("kept")?;
        Ok(())
    }

    fn produce(&self, from: usize) -> Result<()> {
        let lines: String = (from..from + 500).map(|at| format!("{at}\n")).collect();
        run(kcat(&self.bootstrap).args(["-P", "-t", "kept", "-X", "acks=all"]), lines.as_bytes())?.ok()?;
        Ok(())
    }

    fn read(&self) -> Result<usize> {
        let out = run(kcat(&self.bootstrap).args(["-C", "-t", "kept", "-o", "beginning", "-e", "-q"]), b"")?.ok()?;
        Ok(out.lines().collect::<std::collections::BTreeSet<_>>().len())
    }

    /// An update that is refused, and why.
    fn refused(&self, arguments: &[&str], why: &str) -> Result<()> {
        let refused = features(self.whom(), arguments)?;
        let text = format!("{}{}", refused.out, refused.err);
        ensure!(!refused.success && text.contains(why), "{arguments:?} is to be refused for {why:?}:\n{text}");
        Ok(())
    }

    /// Three processes at the level before, and a topic.
    fn of(cluster: Cluster) -> Result<Release> {
        cluster.create("kept", 24, &[])?;
        cluster.wait_in_sync("kept")?;
        let it = Release { bootstrap: cluster.bootstrap(), cluster };
        it.produce(0)?;
        Ok(it)
    }

    /// `kafka-features` raises the level, and nothing lowers it.
    fn raise(&self) -> Result<()> {
        our_own_client_sees_the_same(&self.bootstrap)?;
        features(self.whom(), &["upgrade", "--metadata", NEW, "--dry-run"])?.ok()?;
        ensure!(self.finalized()? == OLD, "a dry run");
        features(self.whom(), &["upgrade", "--metadata", NEW])?.ok()?;
        ensure!(self.finalized()? == NEW);
        let properties = std::fs::read_to_string(self.cluster.brokers[0].dir.join("server.properties"))?;
        let voters =
            properties.lines().find_map(|line| line.strip_prefix("controller.quorum.voters=")).context("voters")?;
        let controllers: Vec<&str> =
            voters.split(',').filter_map(|voter| voter.split_once('@')).map(|it| it.1).collect();
        let asked = described(["--bootstrap-controller", &controllers.join(",")])?;
        ensure!(asked["FinalizedVersionLevel"] == NEW && asked["SupportedMinVersion"] == OLD, "{asked:?}");
        ensure!(asked["Epoch"].parse::<i64>()? > 0, "{asked:?}");

        self.refused(&["downgrade", "--metadata", OLD], "might delete metadata information")?;
        self.refused(&["downgrade", "--metadata", OLD, "--unsafe"], "Unsafe metadata downgrade is not supported")?;
        self.refused(&["disable", "--feature", "metadata.version"], "only supports versions 26-27")?;
        self.refused(&["upgrade", "--feature", "group.version=1"], "does not support this feature")
    }

    /// What is written at the new level is read by everybody, after a kill and from the start of the log.
    fn a_broker_is_killed(&mut self, produced: usize) -> Result<()> {
        self.cluster.brokers[2].kill()?;
        self.cluster.wait_registered(2)?;
        self.produce(produced)?;
        self.cluster.restart(2)?;
        self.cluster.wait_registered(3)?;
        self.cluster.wait_in_sync("kept")?;
        ensure!(self.read()? == produced + 500, "{} records", self.read()?);
        Ok(())
    }
}

fn our_own_client_sees_the_same(bootstrap: &str) -> Result<()> {
    let admin = admin(bootstrap);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let known = runtime.block_on(admin.describe_features())?;
    ensure!(known.finalized[METADATA_VERSION] == 26 && known.supported[METADATA_VERSION] == (26..=27), "{known:?}");
    ensure!(runtime.block_on(admin.raise_feature(METADATA_VERSION, 27, true))?.is_ok(), "it may be raised");
    let refused = runtime.block_on(admin.raise_feature(METADATA_VERSION, 28, true))?;
    ensure!(refused.is_err_and(|error| error.name == "INVALID_UPDATE_VERSION"), "nobody knows 28");
    Ok(())
}

#[test]
fn the_level_is_raised_by_kafka_features_and_nothing_lowers_it() -> Result<()> {
    let mut it = Release::of(Cluster::start_with(3, |_, _| format!("odradek.initial.metadata.version={OLD}"))?)?;
    it.raise()?;
    it.a_broker_is_killed(500)
}

/// Wants the release before: `e2e/clients/run --include-ignored` builds it.
#[test]
#[ignore = "compiles the broker a second time"]
fn an_upgrade_has_a_way_back_until_metadata_version_is_raised() -> Result<()> {
    let (previous, current) = (previous_binary(), binary());
    let mut it = Release::of(Cluster::start_as(&previous, 3, |_, _| String::new())?)?;
    let known = described(it.whom())?;
    ensure!([&known["SupportedMaxVersion"], &known["FinalizedVersionLevel"]] == [OLD, OLD], "{known:?}");
    it.refused(&["upgrade", "--metadata", NEW], "only supports versions 26-26")?;

    // The first one of the new release has to work with the old ones, and cannot raise anything.
    it.becomes(0, &current)?;
    it.refused(&["upgrade", "--metadata", NEW], "only supports versions 26-26")?;
    it.becomes(1, &current)?;
    it.becomes(2, &current)?;
    ensure!(it.finalized()? == OLD, "a release raises nothing by itself");
    it.produce(500)?;

    // The way back, and forth again.
    it.becomes(1, &previous)?;
    ensure!(it.read()? == 1_000, "{} records", it.read()?);
    it.becomes(1, &current)?;

    it.raise()?;
    it.a_broker_is_killed(1_000)?;

    // The release before does not start any more, and says why.
    ensure!(it.cluster.brokers[0].stop()? == Some(0));
    let (dir, port) = (it.cluster.brokers[0].dir.clone(), it.cluster.brokers[0].port);
    let mut old = Broker::spawn_as(&previous, &dir, port, &["--config", "server.properties"])?;
    let code = old.wait_end(Duration::from_secs(40))?;
    let output = old.output();
    let told = output.contains("metadata.version 27 is above 26, the highest that this release knows");
    ensure!(told && code.is_some_and(|code| code != 0), "{code:?}: {output}");
    it.cluster.restart(0)?;
    it.cluster.wait_registered(3)?;
    ensure!(it.read()? == 1_500, "{} records", it.read()?);
    Ok(())
}
