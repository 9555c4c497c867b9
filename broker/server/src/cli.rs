//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// A broker, a controller, or both. Without any argument: one node for trying things out, serving Kafka's protocol on
/// localhost:9092 with its data in ./data.
#[derive(Debug, Parser)]
#[command(name = "odradek-broker", version = odradek_wire::features::RELEASE, arg_required_else_help = false)]
pub struct Cli {
    /// A server.properties file, with Kafka's keys.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Sets one key, whatever the file says. May be repeated; the last one counts.
    #[arg(long = "override", value_name = "KEY=VALUE", global = true)]
    pub overrides: Vec<String>,

    /// How log lines look on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "ODRADEK_LOG_FORMAT", global = true)]
    pub log_format: LogFormat,

    /// Which log lines: a level, or targets with levels, as in `info,odradek_node=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info", env = "ODRADEK_LOG", global = true)]
    pub log: String,

    /// What to do other than to serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Things to do other than to serve.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks the configuration, prints every key with its value on standard output, and ends.
    PrintConfig {
        /// Only what somebody set.
        #[arg(long)]
        set: bool,
    },
    /// For a quorum whose other controllers' disks are lost for good: shows what this controller's disk holds, and with
    /// --force-standalone begins the quorum anew with this controller as its only voter. The process must be stopped.
    RecoverQuorum {
        /// Do it: whatever was committed after this disk's last entry is lost.
        #[arg(long)]
        force_standalone: bool,
    },
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn overrides_repeat_and_go_before_or_after_a_command() {
        let cli = Cli::parse_from(["odradek-broker", "--override", "a=1", "print-config", "--override", "b=2=3"]);
        assert!(matches!(cli.command, Some(Command::PrintConfig { set: false })));
        assert!(cli.overrides.contains(&"b=2=3".to_owned()));
        let cli = Cli::parse_from(["odradek-broker", "--config", "f", "--override", "a=1", "--override", "b=2"]);
        assert_eq!(cli.overrides, ["a=1", "b=2"]);
        assert_eq!(cli.config, Some(PathBuf::from("f")));
    }
}
