//! DeleteTopics, by name and by id.

use std::collections::BTreeMap;

use odradek_wire::ResponseError;
use odradek_wire::messages::delete_topics_request::DeleteTopicState;
use odradek_wire::messages::delete_topics_response::DeletableTopicResult;
use odradek_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use odradek_wire::protocol::StrBytes;
use uuid::Uuid;

use super::Controller;
use super::api_error::ApiError;
use crate::metadata::record::RemoveTopic;

impl Controller {
    pub(super) fn delete_topics(&mut self, request: DeleteTopicsRequest, version: i16) -> DeleteTopicsResponse {
        let wanted: Vec<DeleteTopicState> = if version >= 6 {
            request.topics
        } else {
            request.topic_names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name))).collect()
        };
        let times = Times::new(self, &wanted);
        let responses = wanted.into_iter().map(|topic| self.delete_one(topic, version, &times)).collect();
        DeleteTopicsResponse::default().with_responses(responses)
    }

    fn delete_one(&mut self, topic: DeleteTopicState, version: i16, times: &Times) -> DeletableTopicResult {
        let found = self.find(&topic);
        let deleted = self.may_delete(version).and_then(|()| times.check(&topic)).and(found);
        let (name, topic_id) = match &deleted {
            Ok((id, name)) => {
                self.write(RemoveTopic { topic_id: id.as_bytes().to_vec() });
                (Some(StrBytes::from_string(name.clone()).into()), *id)
            }
            Err(_) => (topic.name, topic.topic_id),
        };
        let (code, message) = ApiError::split(&deleted.map(|_| ()));
        DeletableTopicResult::default()
            .with_name(name)
            .with_topic_id(if version >= 6 { topic_id } else { Uuid::nil() })
            .with_error_code(code)
            .with_error_message(message.filter(|_| version >= 5))
    }

    fn may_delete(&self, version: i16) -> Result<(), ApiError> {
        if self.config.delete_topic_enable {
            return Ok(());
        }
        Err(if version < 3 {
            ApiError::new(ResponseError::InvalidRequest, "This version does not support topic deletion.")
        } else {
            ApiError::new(ResponseError::TopicDeletionDisabled, "Topic deletion is disabled.")
        })
    }

    fn find(&self, topic: &DeleteTopicState) -> Result<(Uuid, String), ApiError> {
        let found = match &topic.name {
            Some(name) => self.image.topic(name).ok_or_else(ApiError::unknown_topic),
            None => self.image.topic_by_id(topic.topic_id).ok_or_else(|| {
                ApiError::new(ResponseError::UnknownTopicId, "This server does not host this topic ID.")
            }),
        }?;
        Ok((found.id, found.name.to_string()))
    }
}

/// How often each topic is named: one that is named twice is not deleted.
struct Times {
    names: BTreeMap<String, usize>,
    ids: BTreeMap<Uuid, usize>,
    /// The ids given, and those of the names given.
    all: BTreeMap<Uuid, usize>,
}

impl Times {
    fn new(controller: &Controller, topics: &[DeleteTopicState]) -> Times {
        let mut times = Times { names: BTreeMap::new(), ids: BTreeMap::new(), all: BTreeMap::new() };
        for topic in topics {
            if let Some(name) = &topic.name {
                *times.names.entry(name.to_string()).or_default() += 1;
                if let Some(topic) = controller.image.topic(name) {
                    *times.all.entry(topic.id).or_default() += 1;
                }
            } else {
                *times.ids.entry(topic.topic_id).or_default() += 1;
                *times.all.entry(topic.topic_id).or_default() += 1;
            }
        }
        times
    }

    fn check(&self, topic: &DeleteTopicState) -> Result<(), ApiError> {
        let refuse = |message: &str| Err(ApiError::new(ResponseError::InvalidRequest, message));
        let more = |count: Option<&usize>| count.is_some_and(|count| *count > 1);
        match &topic.name {
            Some(_) if !topic.topic_id.is_nil() => refuse("You may not specify both topic name and topic id."),
            None if topic.topic_id.is_nil() => refuse("Neither topic name nor id were specified."),
            Some(name) if more(self.names.get(name.as_str())) => refuse("Duplicate topic name."),
            None if more(self.ids.get(&topic.topic_id)) => refuse("Duplicate topic id."),
            None if more(self.all.get(&topic.topic_id)) => {
                refuse("The provided topic name maps to an ID that was already supplied.")
            }
            _ => Ok(()),
        }
    }
}
