//! The single calls, gathered into the calls of many.

use std::sync::Arc;

use futures::future::BoxFuture;
use odradek_client::Admin;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    ConfigChange, Loads, NewTopic, PartitionMove, TopicAdmin, TopicView,
    calls::{configure, create, delete, describe, grow, loads, reassign},
};
use crate::kafka::{
    KafkaFailure,
    batch::{Answers, Batcher},
    live::LiveAdmin,
};

/// The batches of one cluster.
#[derive(Debug)]
pub struct TopicBatches {
    describe: Batcher<(), Option<TopicView>>,
    create: Batcher<NewTopic, TopicView>,
    grow: Batcher<i32, ()>,
    configure: Batcher<Vec<ConfigChange>, ()>,
    delete: Batcher<(), ()>,
    turn: Arc<Mutex<()>>,
}

impl TopicBatches {
    /// Starts the tasks.
    pub fn start(admin: &Admin) -> Self {
        let admin = || admin.clone();
        TopicBatches {
            describe: Batcher::start({
                let admin = admin();
                move |asked| {
                    let admin = admin.clone();
                    async move { describe(&admin, &asked.into_keys().collect::<Vec<_>>()).await }
                }
            }),
            create: Batcher::start({
                let admin = admin();
                move |asked| {
                    let admin = admin.clone();
                    async move { create(&admin, asked).await }
                }
            }),
            grow: Batcher::start({
                let admin = admin();
                move |asked| {
                    let admin = admin.clone();
                    async move { grow(&admin, asked).await }
                }
            }),
            configure: Batcher::start({
                let admin = admin();
                move |asked| {
                    let admin = admin.clone();
                    async move { configure(&admin, asked).await }
                }
            }),
            delete: Batcher::start({
                let admin = admin();
                move |asked| {
                    let admin = admin.clone();
                    async move { delete(&admin, asked.into_keys().collect()).await }
                }
            }),
            turn: Arc::default(),
        }
    }
}

impl TopicAdmin for LiveAdmin {
    fn topic<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<TopicView>, KafkaFailure>> {
        Box::pin(self.topics.describe.ask(name, ()))
    }

    fn topics<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Answers<Option<TopicView>>> {
        Box::pin(describe(&self.admin, names))
    }

    fn create<'a>(&'a self, topic: &'a NewTopic) -> BoxFuture<'a, Result<TopicView, KafkaFailure>> {
        Box::pin(self.topics.create.ask(&topic.name, topic.clone()))
    }

    fn grow<'a>(&'a self, name: &'a str, partitions: i32) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(self.topics.grow.ask(name, partitions))
    }

    fn configure<'a>(&'a self, name: &'a str, changes: &'a [ConfigChange]) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(self.topics.configure.ask(name, changes.to_vec()))
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(self.topics.delete.ask(name, ()))
    }

    fn turn(&self) -> BoxFuture<'_, OwnedMutexGuard<()>> {
        Box::pin(self.topics.turn.clone().lock_owned())
    }

    fn loads(&self) -> BoxFuture<'_, Result<Loads, KafkaFailure>> {
        Box::pin(loads(&self.admin))
    }

    fn reassign<'a>(&'a self, name: &'a str, moves: &'a [PartitionMove]) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(reassign(&self.admin, name, moves))
    }
}
