//! Levels of features (KIP-584): who is asked, what is refused, and what is written at which level.

use odradek_wire::features::{METADATA_VERSION, MetadataVersion};
use odradek_wire::messages::update_features_request::FeatureUpdateKey;
use odradek_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use odradek_wire::protocol::StrBytes;

use super::Cluster;
use crate::metadata::controller::{ControllerConfig, ControllerSupport, supported_features};
use crate::metadata::record::{Change, Record, SupportedFeature, encode_records};
use crate::metadata::rpc::{RegisterBrokerResponse, Response};

const OLD: i16 = 26;
const NEW: i16 = 27;

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

const UNSUPPORTED_VERSION: i32 = 35;
const INVALID_UPDATE_VERSION: i16 = 95;

fn up_to(max: i16) -> Vec<SupportedFeature> {
    vec![SupportedFeature { name: METADATA_VERSION.to_owned(), min: i32::from(OLD), max: i32::from(max) }]
}

fn old_cluster(brokers: i32) -> Cluster {
    let metadata_version = MetadataVersion::MINIMUM;
    let mut cluster = Cluster::with(ControllerConfig { metadata_version, ..ControllerConfig::default() });
    for id in 1..=brokers {
        cluster.start(id);
    }
    cluster
}

fn update_to(feature: &str, level: i16, upgrade_type: i8) -> UpdateFeaturesRequest {
    let update = FeatureUpdateKey::default()
        .with_feature(StrBytes::from_string(feature.to_owned()))
        .with_max_version_level(level)
        .with_upgrade_type(upgrade_type);
    UpdateFeaturesRequest::default().with_timeout_ms(1_000).with_feature_updates(vec![update])
}

fn update(cluster: &mut Cluster, feature: &str, level: i16, upgrade_type: i8) -> UpdateFeaturesResponse {
    cluster.forward(update_to(feature, level, upgrade_type), 2)
}

fn level(cluster: &Cluster) -> i16 {
    cluster.committed.metadata_version().expect("a level").level()
}

fn refused(response: &UpdateFeaturesResponse) -> String {
    assert_eq!(response.error_code, INVALID_UPDATE_VERSION);
    response.error_message.as_deref().unwrap_or_default().to_owned()
}

fn register(cluster: &mut Cluster, id: i32, features: Vec<SupportedFeature>) -> RegisterBrokerResponse {
    let request = cluster.register_request(id, false);
    let Response::RegisterBroker(response) =
        cluster.handle(crate::metadata::rpc::RegisterBrokerRequest { features, ..request })
    else {
        panic!()
    };
    response
}

#[test]
fn a_new_cluster_starts_at_the_newest_level_or_at_the_one_that_is_told() {
    assert_eq!(level(&Cluster::of(1)), NEW);
    assert_eq!(level(&old_cluster(1)), OLD);
}

#[test]
fn a_level_is_raised_once_and_stays() {
    let mut cluster = old_cluster(2);
    let dry = update_to(METADATA_VERSION, NEW, UPGRADE).with_validate_only(true);
    let response: UpdateFeaturesResponse = cluster.forward(dry, 2);
    assert_eq!((response.error_code, level(&cluster)), (0, OLD), "only asked");
    for _ in 0..2 {
        assert_eq!(update(&mut cluster, METADATA_VERSION, NEW, UPGRADE).error_code, 0);
        assert_eq!(level(&cluster), NEW);
    }
    let offset = cluster.committed.offset();
    assert_eq!(update(&mut cluster, METADATA_VERSION, NEW, UPGRADE).error_code, 0);
    assert_eq!(cluster.committed.offset(), offset, "nothing is written for what is so already");
    cluster.fail_over();
    assert_eq!(level(&cluster), NEW);
}

#[test]
fn a_level_is_never_lowered() {
    let mut cluster = Cluster::of(1);
    let why = refused(&update(&mut cluster, METADATA_VERSION, OLD, UPGRADE));
    assert!(why.contains("without setting the upgrade type"), "{why}");
    let why = refused(&update(&mut cluster, METADATA_VERSION, OLD, SAFE_DOWNGRADE));
    assert!(why.contains("might delete metadata information"), "{why}");
    let why = refused(&update(&mut cluster, METADATA_VERSION, OLD, UNSAFE_DOWNGRADE));
    assert!(why.contains("not supported"), "{why}");
    let why = refused(&update(&mut cluster, METADATA_VERSION, 0, UNSAFE_DOWNGRADE));
    assert!(why.contains("only supports versions 26-27 (4.1-IV0 to 4.1-IV1)"), "{why}");
    assert_eq!(level(&cluster), NEW);
    let mut cluster = old_cluster(1);
    let why = refused(&update(&mut cluster, METADATA_VERSION, NEW, SAFE_DOWNGRADE));
    assert!(why.contains("downgrade to a newer version"), "{why}");
    assert_eq!(level(&cluster), OLD);
}

#[test]
fn what_nobody_knows_is_refused_and_nothing_else_is_done() {
    let mut cluster = old_cluster(1);
    for (feature, level, upgrade_type, expected) in [
        (METADATA_VERSION, 28, UPGRADE, "only supports versions 26-27"),
        (METADATA_VERSION, -1, UPGRADE, "cannot be less than 0"),
        (METADATA_VERSION, NEW, 9, "does not support the given upgrade type"),
        ("group.version", 1, UPGRADE, "does not support this feature"),
    ] {
        let mut request = update_to(feature, level, upgrade_type);
        if feature != METADATA_VERSION {
            request.feature_updates.extend(update_to(METADATA_VERSION, NEW, UPGRADE).feature_updates);
        }
        let why = refused(&cluster.forward(request, 2));
        assert!(why.starts_with("The update failed for all features") && why.contains(expected), "{why}");
    }
    assert_eq!(level(&cluster), OLD);
    assert_eq!(update(&mut cluster, "group.version", 0, SAFE_DOWNGRADE).error_code, 0, "it is off");
}

#[test]
fn every_broker_and_controller_has_to_support_a_level() {
    let mut cluster = old_cluster(1);
    cluster.register_request(2, false);
    assert_eq!(register(&mut cluster, 2, up_to(OLD)).error_code, 0);
    let why = refused(&update(&mut cluster, METADATA_VERSION, NEW, UPGRADE));
    assert!(why.contains("Broker 2 only supports versions 26-26 (4.1-IV0 to 4.1-IV0)"), "{why}");
    assert!(cluster.committed.broker(2).expect("registered").fenced, "one that may come back counts");
    // The release before any of this told nothing.
    assert_eq!(register(&mut cluster, 2, Vec::new()).error_code, 0);
    refused(&update(&mut cluster, METADATA_VERSION, NEW, UPGRADE));
    assert_eq!(register(&mut cluster, 2, up_to(NEW)).error_code, 0, "the same process tells more");

    let controller = |node_id, features| ControllerSupport { node_id, features };
    cluster.controller.controllers_support(vec![controller(10, Some(supported_features())), controller(11, None)]);
    let why = refused(&update(&mut cluster, METADATA_VERSION, NEW, UPGRADE));
    assert!(why.contains("Controller 11 has not been heard of"), "{why}");
    cluster.controller.controllers_support(vec![controller(11, Some(up_to(OLD)))]);
    let why = refused(&update(&mut cluster, METADATA_VERSION, NEW, UPGRADE));
    assert!(why.contains("Controller 11 only supports versions 26-26"), "{why}");
    cluster.controller.controllers_support(vec![controller(11, Some(up_to(NEW)))]);
    assert_eq!(update(&mut cluster, METADATA_VERSION, NEW, UPGRADE).error_code, 0);

    for features in [up_to(OLD), Vec::new()] {
        let refused = register(&mut cluster, 3, features);
        assert_eq!(refused.error_code, UNSUPPORTED_VERSION);
        let why = refused.error_message;
        assert!(why.contains("does not support finalized version 27 of metadata.version"), "{why}");
    }
}

#[test]
fn older_versions_of_the_request_name_every_feature_in_the_answer() {
    let mut cluster = old_cluster(1);
    let mut request = update_to(METADATA_VERSION, NEW, UPGRADE);
    let response: UpdateFeaturesResponse = cluster.forward(request.clone(), 1);
    assert_eq!((response.error_code, response.results.len(), response.results[0].error_code), (0, 1, 0));
    request.feature_updates[0].allow_downgrade = true;
    request.feature_updates[0].max_version_level = OLD;
    let response: UpdateFeaturesResponse = cluster.forward(request, 0);
    let why = refused(&response);
    assert!(why.contains("might delete metadata information"), "{why}");
}

/// The record kinds that a fenced broker's partitions are written with, and the bytes of the entry.
fn fence(level: MetadataVersion) -> (usize, usize, usize) {
    let mut cluster = Cluster::with(ControllerConfig { metadata_version: level, ..ControllerConfig::default() });
    for id in 1..=3 {
        cluster.start(id);
    }
    cluster.create("t", 300, 3, &[]);
    cluster.controller.broker_disconnected(cluster.now, 1);
    cluster.now.mono_ms += 300;
    let records = cluster.tick();
    let count = |is: fn(&Change) -> bool| {
        records.iter().filter_map(|it: &Record| it.change.as_ref()).filter(|it| is(it)).count()
    };
    assert!((0..300).all(|partition| !cluster.partition("t", partition).isr.contains(&1)));
    (
        count(|change| matches!(change, Change::PartitionChange(_))),
        count(|change| matches!(change, Change::PartitionChanges(_))),
        encode_records(&records).len(),
    )
}

#[test]
fn the_level_says_how_a_fenced_brokers_partitions_are_written() {
    let (single, several, bytes) = fence(MetadataVersion::IV0_4_1);
    assert_eq!((single, several), (300, 0));
    let (single, several, fewer) = fence(MetadataVersion::IV1_4_1);
    assert_eq!((single, several), (0, 1));
    assert!(fewer * 2 < bytes, "{fewer} bytes, and {bytes} at the level before");
}
