//! `odradek-broker print-config`.

use std::io::Write;
use std::process::ExitCode;

use crate::config::ServerConfig;

/// Prints every key (or only those that were set) as server.properties would have it; secrets hidden.
#[must_use]
pub fn run(config: &ServerConfig, only_set: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    for key in config.describe() {
        if only_set && key.default {
            continue;
        }
        let value = match (&key.value, key.sensitive, key.default) {
            (Some(value), _, _) => value.as_str(),
            (None, true, false) => "[hidden]",
            (None, ..) => "",
        };
        // Nobody reads any more (`| head`): that is no failure.
        if writeln!(out, "{}={value}", key.name).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}
