//! A small file system for the data of one process, on a file, that can be filled up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use odradek_e2e::tools;

/// Bytes of a volume. The file has holes: it takes what is written.
const SIZE: u64 = 768 << 20;

/// A mounted volume, taken away with the value.
#[derive(Debug)]
pub struct Volume {
    mount: PathBuf,
}

fn run(command: &mut Command) -> Result<String> {
    tools::run(command, b"")?.ok().with_context(|| format!("{command:?}"))
}

impl Volume {
    /// Makes the file and mounts it in a folder below `home`.
    ///
    /// # Errors
    /// There is no loop device, or it is not allowed.
    pub fn make(home: &Path) -> Result<Volume> {
        let (file, mount) = (home.join("volume.img"), home.join("volume"));
        fs::create_dir_all(&mount)?;
        fs::File::create(&file)?.set_len(SIZE)?;
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&file))?;
        run(Command::new("mount").args(["-o", "loop,noatime"]).arg(&file).arg(&mount))?;
        Ok(Volume { mount })
    }

    /// The folder for the data.
    pub fn data(&self) -> PathBuf {
        self.mount.join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }

    /// Takes all that is free.
    ///
    /// # Errors
    /// The free space cannot be read.
    pub fn fill(&self) -> Result<()> {
        let free = run(Command::new("df").args(["--output=avail", "-B1"]).arg(&self.mount))?;
        let free: u64 = free.lines().last().unwrap_or_default().trim().parse().context("df")?;
        // The file's own blocks come out of the same space: a little less than all of it fits.
        for less in [0, 1 << 20, 4 << 20, 16 << 20] {
            let bytes = free.saturating_sub(less).to_string();
            let taken = tools::run(Command::new("fallocate").args(["-l", &bytes]).arg(self.ballast()), b"")?;
            if taken.success {
                break;
            }
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The ballast cannot be removed.
    pub fn free(&self) -> Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(run(Command::new("umount").arg("-l").arg(&self.mount)));
    }
}
