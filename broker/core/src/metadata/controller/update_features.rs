//! UpdateFeatures (KIP-584, KIP-778): the level of a feature is raised once every broker and controller supports it.
//!
//! `metadata.version` is never lowered: what was written at the higher level stays in the log, and a release that does
//! not know it could not read it.

use std::ops::RangeInclusive;

use odradek_wire::ResponseError;
use odradek_wire::features::{self, METADATA_VERSION, MetadataVersion};
use odradek_wire::messages::update_features_response::UpdatableFeatureResult;
use odradek_wire::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use odradek_wire::protocol::StrBytes;

use super::Controller;
use super::api_error::ApiError;
use crate::metadata::record::{Feature, SupportedFeature};

/// What a process of this release supports.
#[must_use]
pub fn supported_features() -> Vec<SupportedFeature> {
    let levels = features::supported();
    vec![SupportedFeature {
        name: METADATA_VERSION.to_owned(),
        min: i32::from(*levels.start()),
        max: i32::from(*levels.end()),
    }]
}

/// A controller of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerSupport {
    /// Its node id.
    pub node_id: i32,
    /// What it supports; `None` while it was not heard of.
    pub features: Option<Vec<SupportedFeature>>,
}

/// How a level may move (`FeatureUpdate.UpgradeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    fn of(code: i8) -> Option<UpgradeType> {
        match code {
            1 => Some(UpgradeType::Upgrade),
            2 => Some(UpgradeType::SafeDowngrade),
            3 => Some(UpgradeType::UnsafeDowngrade),
            _ => None,
        }
    }
}

impl Controller {
    /// What the controllers of the quorum support: to be told before [`crate::metadata::rpc::Request::Forward`] with
    /// UpdateFeatures.
    pub fn controllers_support(&mut self, controllers: Vec<ControllerSupport>) {
        self.controllers = controllers;
    }

    /// All updates are done, or none.
    pub(super) fn update_features(&mut self, request: &UpdateFeaturesRequest, version: i16) -> UpdateFeaturesResponse {
        let checked: Result<Vec<Feature>, ApiError> =
            request.feature_updates.iter().filter_map(|update| self.checked(update, version).transpose()).collect();
        let response = UpdateFeaturesResponse::default();
        match checked {
            Err(error) => {
                let why = format!(
                    "The update failed for all features since the following feature had an error: {}",
                    error.message
                );
                tracing::warn!(error = error.message, "UpdateFeatures refused");
                response.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(why)))
            }
            Ok(records) => {
                for record in records.into_iter().filter(|_| !request.validate_only) {
                    tracing::info!(feature = record.name, level = record.level, "a feature's level is raised");
                    self.write(record);
                }
                let done = |update: &odradek_wire::messages::update_features_request::FeatureUpdateKey| {
                    UpdatableFeatureResult::default().with_feature(update.feature.clone()).with_error_message(None)
                };
                let results = if version < 2 { request.feature_updates.iter().map(done).collect() } else { Vec::new() };
                response.with_error_message(None).with_results(results)
            }
        }
    }

    /// The record that does it; `None` when the feature has that level.
    fn checked(
        &self,
        update: &odradek_wire::messages::update_features_request::FeatureUpdateKey,
        version: i16,
    ) -> Result<Option<Feature>, ApiError> {
        let (name, level) = (update.feature.as_str(), i32::from(update.max_version_level));
        let invalid = |why: String| {
            ApiError::new(
                ResponseError::InvalidUpdateVersion,
                format!("Invalid update version {level} for feature {name}. {why}"),
            )
        };
        // Version 0 only says whether the level may go down.
        let code = if version == 0 && update.allow_downgrade { 2 } else { update.upgrade_type };
        let upgrade_type = UpgradeType::of(code)
            .ok_or_else(|| invalid("The controller does not support the given upgrade type.".to_owned()))?;
        if level < 0 {
            return Err(invalid("A feature version cannot be less than 0.".to_owned()));
        }
        if let Some(why) = self.why_not_supported(name, level) {
            return Err(invalid(why));
        }
        let current = self.image.feature(name);
        let downgrade = match upgrade_type {
            UpgradeType::Upgrade if level < current => {
                return Err(invalid(
                    "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                     unsafe downgrade."
                        .to_owned(),
                ));
            }
            UpgradeType::SafeDowngrade | UpgradeType::UnsafeDowngrade if level > current => {
                return Err(invalid("Can't downgrade to a newer version.".to_owned()));
            }
            _ => level < current,
        };
        if downgrade && name == METADATA_VERSION {
            let why = match upgrade_type {
                UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
                _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
            };
            return Err(ApiError::new(
                ResponseError::InvalidUpdateVersion,
                format!("Invalid metadata.version {level}. {why}"),
            ));
        }
        Ok((level != current).then(|| Feature { name: name.to_owned(), level }))
    }

    /// Why some broker or controller cannot have the feature at that level. Fenced brokers count: they come back.
    fn why_not_supported(&self, name: &str, level: i32) -> Option<String> {
        let local = range(&supported_features(), name);
        let brokers = self.image.brokers().map(|broker| (format!("Broker {}", broker.id), Some(broker.supports(name))));
        let controllers = self.controllers.iter().map(|controller| {
            let range = controller.features.as_ref().map(|features| range(features, name));
            (format!("Controller {}", controller.node_id), range)
        });
        let local = std::iter::once(("The active controller".to_owned(), Some(local)));
        local.chain(controllers).chain(brokers).find_map(|(who, range)| match range {
            None => Some(format!("{who} has not been heard of, and may not support this feature.")),
            Some(range) if range.contains(&level) => None,
            Some(range) if *range.end() == 0 => Some(format!("{who} does not support this feature.")),
            Some(range) => Some(format!("{who} only supports versions {}.", told(name, &range))),
        })
    }

    /// A broker must be able to read what is written at the levels that are on.
    pub(super) fn check_features(&self, features: &[SupportedFeature]) -> Result<(), ApiError> {
        for (name, level) in self.image.features() {
            // A process that says nothing is of a release that had one level.
            let range = if features.is_empty() && name == METADATA_VERSION {
                let only = i32::from(MetadataVersion::IV0_4_1.level());
                only..=only
            } else {
                range(features, name)
            };
            if !range.contains(&level) {
                return Err(ApiError::new(
                    ResponseError::UnsupportedVersion,
                    format!(
                        "Unable to register because the broker does not support finalized version {level} of {name}. \
                         The broker wants a version between {} and {}, inclusive.",
                        range.start(),
                        range.end()
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn range(features: &[SupportedFeature], name: &str) -> RangeInclusive<i32> {
    features.iter().find(|known| known.name == name).map_or(0..=0, |known| known.min..=known.max)
}

/// `26-27`, and for metadata.version the names as well.
fn told(name: &str, range: &RangeInclusive<i32>) -> String {
    let numbers = format!("{}-{}", range.start(), range.end());
    let version = |level: &i32| MetadataVersion::all().find(|version| i32::from(version.level()) == *level);
    match (name, version(range.start()), version(range.end())) {
        (METADATA_VERSION, Some(min), Some(max)) => format!("{numbers} ({min} to {max})"),
        _ => numbers,
    }
}
