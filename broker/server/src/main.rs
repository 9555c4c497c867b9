//! `odradek-broker`: a broker, a controller, or both.

use std::process::ExitCode;

use clap::Parser;
use odradek_server::cli::{Cli, Command};
use odradek_server::config::{Problem, ServerConfig};
use odradek_server::{hostname, logging, print_config, process, recover_quorum};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The configuration or the identity is wrong: nothing will change until somebody changes it.
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    // Clap itself ends with 2 on a command line that it cannot read.
    let cli = Cli::parse();
    let config = match ServerConfig::load(cli.config.as_deref(), &cli.overrides, &hostname::to_advertise) {
        Ok(config) => config,
        Err(problems) => {
            tell("warning", &problems.warnings);
            tell("error", &problems.errors);
            return ExitCode::from(MISCONFIGURED);
        }
    };
    match cli.command {
        Some(Command::PrintConfig { set }) => {
            tell("warning", &config.warnings);
            return print_config::run(&config, set);
        }
        Some(Command::RecoverQuorum { force_standalone }) => {
            tell("warning", &config.warnings);
            return recover_quorum::run(&config, force_standalone);
        }
        None => {}
    }
    if let Err(line) = logging::init(cli.log_format, &cli.log) {
        eprintln!("odradek-broker: error: {line}");
        return ExitCode::from(MISCONFIGURED);
    }
    logging::abort_on_panic();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    match process::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("odradek-broker: error: {}", failure.reason);
            ExitCode::from(failure.exit_code)
        }
    }
}

fn tell(kind: &str, problems: &[Problem]) {
    for problem in problems {
        eprintln!("odradek-broker: {kind}: {problem}");
    }
}
