//! `odradek-broker recover-quorum`: the way back when most controllers' disks are lost.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use odradek_log::{Disk, RealDisk};
use odradek_node::controller::{ControllerNode, Loss};

use crate::config::ServerConfig;
use crate::loops::Clock;
use crate::{identity, node_config};

/// Nothing was changed, since nobody said so or it cannot be done.
const REFUSED: u8 = 2;

/// Shows what this controller's disk holds; with `force` the quorum begins anew with it.
#[must_use]
pub fn run(config: &ServerConfig, force: bool) -> ExitCode {
    match recover(config, force) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(REFUSED),
        Err((reason, code)) => {
            eprintln!("odradek-broker: error: {reason}");
            ExitCode::from(code)
        }
    }
}

fn recover(config: &ServerConfig, force: bool) -> Result<bool, (String, u8)> {
    if !config.node.controller {
        let reason = "process.roles has no controller: recover-quorum is for a controller's folder".to_owned();
        return Err((reason, REFUSED));
    }
    let log = config.log.metadata_dir.join(node_config::METADATA_LOG);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    if !disk.exists(&log) {
        let reason = format!(
            "{} is not there: this controller's disk holds no metadata to go on with; run this on a controller whose \
             disk is left",
            log.display()
        );
        return Err((reason, REFUSED));
    }
    // The lock says whether the process runs.
    let identity = identity::claim(&disk, config, identity::new_directory_id)
        .map_err(|error| (error.to_string(), error.exit_code()))?;
    let dir = identity.metadata_dir.as_ref().ok_or_else(|| ("no metadata.log.dir".to_owned(), REFUSED))?;
    let settings = node_config::controller(config, identity.cluster_id.clone(), &dir.path, *dir.id.as_bytes());
    let mut out = std::io::stdout().lock();
    let done = ControllerNode::recover(&settings, disk, Clock::start().now(), |loss| {
        tell(&mut out, config.node.id, loss);
        force
    })
    .map_err(|error| (error.to_string(), u8::try_from(error.exit_code()).unwrap_or(1)))?;
    let last = match &done {
        None => {
            "Nothing was changed. Stop every other controller of the old quorum, and say --force-standalone.".to_owned()
        }
        Some(loss) => format!(
            "Done: controller {} is the only voter, from entry {} of term {} on. Start it; then start the others with \
             empty folders and controller.quorum.bootstrap.servers naming it: they observe, and are made voters by \
             kafka-metadata-quorum add-controller or controller.quorum.auto.join.enable=true.",
            config.node.id, loss.log.begins, loss.log.term
        ),
    };
    // Nobody reads any more: what was to be done is done.
    let _ = writeln!(out, "{last}");
    Ok(done.is_some())
}

fn tell(out: &mut impl Write, node_id: i32, loss: &Loss) {
    let log = &loss.log;
    let voters: Vec<String> = log.voters.iter().map(|voter| voter.id.to_string()).collect();
    let unsure = log.last_index - log.known_committed;
    let text = format!(
        "Controller {node_id} of cluster {cluster}, voters so far: {voters}.\n\
         Its log ends with entry {last} of term {term}: {brokers} brokers, {topics} topics.\n\
         LOST, if it was there: every change of the metadata that was committed after entry {last}: topics made or \
         deleted, leaders and in-sync sets, configurations. Brokers remove what they hold of topics that this log does \
         not know.\n\
         Entries after {committed} ({unsure} of them) may never have been committed: they count from now on.\n",
        cluster = loss.cluster_id.as_deref().unwrap_or("(not named yet)"),
        voters = voters.join(", "),
        last = log.last_index,
        term = log.last_term,
        brokers = loss.brokers,
        topics = loss.topics,
        committed = log.known_committed,
    );
    // Nobody reads any more: the answer is in the exit code.
    let _ = out.write_all(text.as_bytes());
}
