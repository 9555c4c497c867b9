//! `odradek-broker`: a broker, a controller, or both.
fn main() {
    eprintln!("odradek-broker: not built yet");
    std::process::exit(1);
}
