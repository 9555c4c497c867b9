//! What the binary says about configurations that make no sense, and with which code it ends.

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_odradek-broker")).args(args).current_dir(dir.path()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn impossible_and_obsolete_values_are_told_all_at_once_with_code_2() {
    let output = run(&[
        "--override",
        "num.network.threads=0",
        "--override",
        "zookeeper.connect=zk:2181",
        "--override",
        "num.partitons=3",
    ]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for words in [
        "error: --override: num.network.threads=0: must be at least 1",
        "error: --override: zookeeper.connect=zk:2181",
        "controller.quorum.voters",
        "warning: --override: num.partitons=3: unknown key",
    ] {
        assert!(told.contains(words), "{told:?} lacks {words:?}");
    }
}

#[test]
fn a_file_that_is_not_there() {
    let output = run(&["--config", "none.properties"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("none.properties"), "{}", stderr(&output));
}

#[test]
fn the_version_and_the_configuration_can_be_asked_for() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("odradek-broker {}\n", odradek_wire::features::RELEASE)
    );
    let output = run(&["print-config", "--set", "--override", "num.partitions=7"]);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("\nnum.partitions=7\n") && printed.contains("node.id=1\n"), "{printed}");
}

#[test]
fn a_filter_for_log_lines_that_cannot_be_read() {
    let output = run(&["--log", "odradek=loudest"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--log odradek=loudest"), "{}", stderr(&output));
}
