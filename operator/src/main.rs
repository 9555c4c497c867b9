//! `odradek-operator`: reconciles KafkaCluster and KafkaTopic.
fn main() {
    eprintln!("odradek-operator: not built yet");
    std::process::exit(1);
}
