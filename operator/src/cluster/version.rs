//! Which release runs, and which level of `metadata.version` the cluster has and is to have. Pure.
//!
//! The image goes first, the level when told; the level is never lowered, so a release that does not read it is refused
//! before anything moves. What a release reads is known by its version ([`MetadataVersion::newest_of_release`]); of an
//! image whose version says nothing (`dev`, a digest) nobody knows, and it is tried: the first pod of it says by itself
//! that it does not start, and the roll goes no further.

use odradek_client::features::MetadataVersion;
use odradek_crds::KafkaCluster;

use super::{
    observe::{KafkaState, Observed},
    validate::Validated,
};
use crate::refusal::{Reason, Refusal};

/// What the spec says of `metadata.version`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// What the cluster is to have; `None`: what it has.
    pub wanted: Option<MetadataVersion>,
    /// What a cluster starts with that is made now; pinned when it is made. `None`: the newest of its release.
    pub initial: Option<MetadataVersion>,
}

/// The level that the cluster has: what its brokers say, or said last.
pub fn finalized(cluster: &KafkaCluster, observed: &Observed) -> Option<MetadataVersion> {
    let told = match &observed.kafka {
        KafkaState::View(view) => view.metadata_version.and_then(MetadataVersion::from_level),
        KafkaState::NotServing | KafkaState::Failed(_) => None,
    };
    let said = || cluster.status.as_ref()?.metadata_version.as_deref().and_then(MetadataVersion::from_name);
    told.or_else(said)
}

/// Judges `spec.metadataVersion`, and `version` (of the image that is to run) against the level that the cluster has.
pub fn level(cluster: &KafkaCluster, observed: &Observed, version: &str) -> Result<Level, Vec<Refusal>> {
    let mut refusals = Vec::new();
    let mut refuse = |reason, field: &str, message| refusals.push(Refusal::new(reason, field, message));
    let wanted = cluster.spec.metadata_version.as_deref().and_then(|name| {
        let known = MetadataVersion::from_name(name);
        if known.is_none() {
            let all: Vec<&str> = MetadataVersion::all().map(MetadataVersion::name).collect();
            let why = format!("{name} is no level that this operator knows: {}", all.join(", "));
            refuse(Reason::InvalidSpec, "spec.metadataVersion", why);
        }
        known
    });
    let has = finalized(cluster, observed);
    if let (Some(wanted), Some(has)) = (wanted, has)
        && wanted < has
    {
        let why = format!(
            "the cluster has {has}, and metadata.version is never lowered to {wanted}: take it out, or set it to {has}"
        );
        refuse(Reason::NotSupported, "spec.metadataVersion", why);
    }
    let newest = MetadataVersion::newest_of_release(version);
    let field =
        if cluster.spec.image.is_some() && cluster.spec.version.is_none() { "spec.image" } else { "spec.version" };
    if let (Some(newest), Some(has)) = (newest, has)
        && newest < has
    {
        let why = format!(
            "release {version} reads metadata.version up to {newest}, and the cluster has {has}, which is never lowered: \
             {} is the first release that reads it. Nothing was changed",
            has.since()
        );
        refuse(Reason::NotSupported, field, why);
    }
    if let (Some(newest), Some(wanted)) = (newest, wanted)
        && newest < wanted
        && has.is_none_or(|has| has <= newest)
    {
        let why = format!(
            "release {version} reads metadata.version up to {newest}, not {wanted}: {} is the first release that reads it",
            wanted.since()
        );
        refuse(Reason::InvalidSpec, "spec.metadataVersion", why);
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let initial = match &observed.initial_level {
        Some(pinned) => pinned.as_deref().and_then(MetadataVersion::from_name),
        None => wanted,
    };
    Ok(Level { wanted, initial })
}

/// The level that has yet to be raised to; `None` while nobody can say what the cluster has.
pub fn to_raise(cluster: &Validated, observed: &Observed) -> Option<MetadataVersion> {
    let has = super::safety::view(cluster, observed).ok()?.metadata_version?;
    cluster.level.wanted.filter(|wanted| wanted.level() > has)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures::{IMAGE, all_there, cluster, valid, with_view};
    use crate::cluster::validate::validate;

    /// A cluster that has a level, and what becomes of a spec.
    fn judged(has: i16, spec: &str) -> Result<Level, Vec<String>> {
        let observed = with_view(all_there(&valid("{}")), |view| view.metadata_version = Some(has));
        let judged = level(&cluster(spec), &observed, &super::super::image::image(&cluster(spec), IMAGE).1);
        judged.map_err(|refusals| refusals.iter().map(ToString::to_string).collect())
    }

    fn refused(has: i16, spec: &str) -> String {
        judged(has, spec).expect_err("refused").join("; ")
    }

    #[test]
    fn a_release_that_cannot_read_the_level_is_refused() {
        assert!(judged(26, "version: 0.0.9").is_ok(), "the way back, as long as nothing was raised");
        assert!(judged(27, "version: 0.1.0").is_ok());
        assert!(judged(27, "version: nightly").is_ok(), "nobody knows");
        let why = refused(27, "version: 0.0.9");
        assert_eq!(
            why,
            "spec.version: release 0.0.9 reads metadata.version up to 4.1-IV0, and the cluster has 4.1-IV1, which is \
             never lowered: 0.1.0 is the first release that reads it. Nothing was changed"
        );
        let why = refused(27, "image: 'registry:5000/odradek/broker:0.0.9'");
        assert!(why.starts_with("spec.image: release 0.0.9"), "{why}");
    }

    #[test]
    fn a_level_is_raised_and_never_lowered() {
        let new = MetadataVersion::from_name("4.1-IV1");
        assert_eq!(judged(26, "metadataVersion: 4.1-IV1").map(|level| level.wanted), Ok(new));
        assert_eq!(judged(27, "metadataVersion: 4.1-IV1").map(|level| level.wanted), Ok(new));
        assert_eq!(judged(26, "{}").map(|level| level.wanted), Ok(None));
        let why = refused(27, "metadataVersion: 4.1-IV0");
        assert!(why.contains("never lowered to 4.1-IV0: take it out, or set it to 4.1-IV1"), "{why}");
        let why = refused(26, "metadataVersion: 4.2-IV0");
        assert!(why.contains("4.2-IV0 is no level that this operator knows: 4.1-IV0, 4.1-IV1"), "{why}");
        let why = refused(26, "{ metadataVersion: 4.1-IV1, version: 0.0.9 }");
        assert!(why.contains("release 0.0.9 reads metadata.version up to 4.1-IV0, not 4.1-IV1"), "{why}");
    }

    #[test]
    fn what_the_brokers_said_last_counts_while_they_are_silent() {
        let mut silent = all_there(&valid("{}"));
        silent.kafka = KafkaState::NotServing;
        let mut old = cluster("version: 0.0.9");
        assert!(validate(&old, &silent, IMAGE).is_ok(), "nobody ever said");
        let status =
            odradek_crds::KafkaClusterStatus { metadata_version: Some("4.1-IV1".to_owned()), ..Default::default() };
        old.status = Some(status);
        let refusals = validate(&old, &silent, IMAGE).expect_err("refused");
        assert_eq!(refusals[0].field, "spec.version");
    }

    #[test]
    fn where_a_cluster_starts_is_pinned() {
        let initial = |observed: &Observed, spec| level(&cluster(spec), observed, "dev").map(|level| level.initial);
        let old = MetadataVersion::from_name("4.1-IV0");
        let new = crate::cluster::fixtures::nothing();
        assert_eq!(initial(&new, "metadataVersion: 4.1-IV0"), Ok(old));
        assert_eq!(initial(&new, "{}"), Ok(None));
        let made =
            |pinned: Option<&str>| Observed { initial_level: Some(pinned.map(str::to_owned)), ..Observed::default() };
        assert_eq!(initial(&made(Some("4.1-IV0")), "metadataVersion: 4.1-IV1"), Ok(old));
        assert_eq!(initial(&made(None), "metadataVersion: 4.1-IV1"), Ok(None));
    }
}
