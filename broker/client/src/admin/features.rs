//! Features and their levels (KIP-584).

use odradek_wire::messages::update_features_request::FeatureUpdateKey;
use odradek_wire::messages::{ApiVersionsRequest, UpdateFeaturesRequest};

use super::types::Features;
use super::{Admin, text};
use crate::{Error, KafkaError};

/// `FeatureUpdate.UpgradeType`.
const UPGRADE: i8 = 1;

/// How long the controller may take, in milliseconds.
const TIMEOUT_MS: i32 = 30_000;

impl Admin {
    /// The features that are on in the cluster, as the broker that answers knows them, and the levels that this broker
    /// supports.
    pub async fn describe_features(&self) -> Result<Features, Error> {
        let ask = |_| {
            ApiVersionsRequest::default()
                .with_client_software_name(text("odradek-client"))
                .with_client_software_version(text(env!("CARGO_PKG_VERSION")))
        };
        let (_, answer) = self.read(3, ask).await?;
        KafkaError::check(answer.error_code, None)?;
        let finalized = answer.finalized_features.iter();
        let supported = answer.supported_features.iter();
        Ok(Features {
            finalized: finalized.map(|it| (it.name.to_string(), it.max_version_level)).collect(),
            supported: supported.map(|it| (it.name.to_string(), it.min_version..=it.max_version)).collect(),
        })
    }

    /// Raises the level of a feature, once every broker and controller supports it; the controller's error says who does
    /// not. With `validate_only` it is only asked whether that would be done. Fine when the level is that already.
    pub async fn raise_feature(
        &self,
        feature: &str,
        level: i16,
        validate_only: bool,
    ) -> Result<Result<(), KafkaError>, Error> {
        let build = |_| {
            let update = FeatureUpdateKey::default()
                .with_feature(text(feature))
                .with_max_version_level(level)
                .with_upgrade_type(UPGRADE);
            UpdateFeaturesRequest::default()
                .with_timeout_ms(TIMEOUT_MS)
                .with_feature_updates(vec![update])
                .with_validate_only(validate_only)
        };
        // Version 0 cannot be asked only.
        let (_, answer) = self.exchange(1, &build).await?;
        let whole = KafkaError::check(answer.error_code, answer.error_message.as_deref());
        let each = answer.results.iter().map(|it| KafkaError::check(it.error_code, it.error_message.as_deref()));
        Ok(whole.and_then(|()| each.collect()))
    }
}
