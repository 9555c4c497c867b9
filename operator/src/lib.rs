//! The operator: reconciles KafkaCluster and KafkaTopic.
