//! Every topic configuration that Kafka 4.4 knows.
