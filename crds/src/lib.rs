//! The Kubernetes API of Odradek: KafkaCluster and KafkaTopic.
