//! DescribeConfigs: topics, and this broker.

use odradek_core::metadata::image::Resource;
use odradek_core::metadata::topic_config::{Effective, EffectiveConfig, Source, TopicConfig};
use odradek_wire::messages::describe_configs_request::DescribeConfigsResource;
use odradek_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use odradek_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::super::config::{DescribedConfig, DescribedSynonym};
use super::super::{BrokerNode, codes};
use super::{reply, text};
use crate::event::{Command, RequestContext};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

type Described = Result<Vec<DescribeConfigsResourceResult>, (i16, String)>;

impl BrokerNode {
    pub(super) fn describe_configs(
        &self,
        context: &RequestContext,
        request: DescribeConfigsRequest,
        out: &mut Vec<Command>,
    ) {
        let mut response = DescribeConfigsResponse::default();
        for resource in request.resources {
            let described = match resource.resource_type {
                TOPIC => self.describe_topic_config(&resource, request.include_synonyms),
                BROKER => self.describe_broker_config(&resource, request.include_synonyms),
                other => Err((codes::INVALID_REQUEST, format!("resource type {other} has no configuration here yet"))),
            };
            let mut result = DescribeConfigsResult::default()
                .with_error_message(None)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone());
            match described {
                Ok(mut configs) => {
                    if let Some(keys) = &resource.configuration_keys {
                        configs.retain(|config| keys.contains(&config.name));
                    }
                    result.configs = configs;
                }
                Err((error, message)) => {
                    result.error_code = error;
                    result.error_message = Some(text(&message));
                }
            }
            response.results.push(result);
        }
        reply(out, context, response);
    }

    fn describe_topic_config(&self, resource: &DescribeConfigsResource, synonyms: bool) -> Described {
        let name = resource.resource_name.as_str();
        if self.image.topic(name).is_none() {
            return Err((codes::UNKNOWN_TOPIC_OR_PARTITION, format!("there is no topic {name}")));
        }
        let config = self.effective(name);
        Ok(config.all().map(|(key, found)| topic_entry(&config, key, &found, synonyms)).collect())
    }

    fn describe_broker_config(&self, resource: &DescribeConfigsResource, synonyms: bool) -> Described {
        let name = resource.resource_name.as_str();
        if name.is_empty() {
            // The cluster-wide defaults: only what was set.
            let set = self.image.config(&Resource::DefaultBroker);
            return Ok(set
                .into_iter()
                .flatten()
                .map(|(key, value)| dynamic(None, key, value, Source::DefaultBroker, synonyms))
                .collect());
        }
        if name.parse() != Ok(self.config.node_id) {
            return Err((
                codes::INVALID_REQUEST,
                format!("this is broker {}: ask broker {name} about its own configuration", self.config.node_id),
            ));
        }
        let mut entries: Vec<DescribeConfigsResourceResult> =
            self.config.described.iter().map(|key| static_entry(key, synonyms)).collect();
        for (resource, source) in
            [(Resource::DefaultBroker, Source::DefaultBroker), (Resource::Broker(self.config.node_id), Source::Broker)]
        {
            for (key, value) in self.image.config(&resource).into_iter().flatten() {
                let at = entries.iter().position(|entry| entry.name.as_str() == key);
                let under = at.map(|at| entries.swap_remove(at));
                entries.push(dynamic(under, key, value, source, synonyms));
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

fn topic_entry(
    config: &EffectiveConfig<'_>,
    key: &TopicConfig,
    found: &Effective<'_>,
    synonyms: bool,
) -> DescribeConfigsResourceResult {
    let mut entry = DescribeConfigsResourceResult::default()
        .with_documentation(None)
        .with_name(text(key.name))
        .with_value(Some(text(&found.value)))
        .with_config_source(found.source as i8)
        .with_config_type(key.kind as i8);
    if synonyms {
        entry.synonyms = config
            .layers(key)
            .iter()
            .map(|layer| {
                DescribeConfigsSynonym::default()
                    .with_name(text(layer.key))
                    .with_value(Some(text(&layer.value)))
                    .with_source(layer.source as i8)
            })
            .collect();
    }
    entry
}

fn static_entry(key: &DescribedConfig, synonyms: bool) -> DescribeConfigsResourceResult {
    let source = |is_default: bool| if is_default { Source::Default } else { Source::Static } as i8;
    let mut entry = DescribeConfigsResourceResult::default()
        .with_documentation(None)
        .with_name(text(&key.name))
        .with_value(key.value.as_deref().filter(|_| !key.sensitive).map(text))
        .with_read_only(key.read_only)
        .with_is_sensitive(key.sensitive)
        .with_config_source(source(key.is_default))
        .with_config_type(key.config_type);
    if synonyms {
        let told = |from: &DescribedSynonym| {
            DescribeConfigsSynonym::default()
                .with_name(text(&from.name))
                .with_value(from.value.as_deref().map(text))
                .with_source(source(from.is_default))
        };
        entry.synonyms = key.synonyms.iter().map(told).collect();
    }
    entry
}

/// What was set at run time, over what server.properties say.
fn dynamic(
    under: Option<DescribeConfigsResourceResult>,
    key: &str,
    value: &str,
    source: Source,
    synonyms: bool,
) -> DescribeConfigsResourceResult {
    let mut entry = under.unwrap_or_else(|| DescribeConfigsResourceResult::default().with_name(text(key)));
    let value = Some(text(value)).filter(|_| !entry.is_sensitive);
    if synonyms {
        let synonym = DescribeConfigsSynonym::default();
        entry.synonyms.insert(0, synonym.with_name(text(key)).with_value(value.clone()).with_source(source as i8));
    }
    entry.with_documentation(None).with_value(value).with_config_source(source as i8)
}
