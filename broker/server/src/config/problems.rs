//! What is wrong with a configuration: all of it, told at once.

use std::fmt;
use std::path::PathBuf;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a properties file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// Where the key starts.
        line: usize,
    },
    /// `--override` on the command line.
    Override,
    /// Nobody: the single-node default that serves when there is no file.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Override => f.write_str("--override"),
            Self::BuiltIn => f.write_str("default"),
        }
    }
}

/// One thing to say about a configuration, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key that it is about.
    pub key: String,
    /// What was given, and where; `None` for a key that is missing. Never a password.
    pub given: Option<(String, Origin)>,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            Some((value, origin)) => write!(f, "{origin}: {}={value}: {}", self.key, self.what),
            None => write!(f, "{}: {}", self.key, self.what),
        }
    }
}

/// Errors and warnings in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// With any of these nothing starts.
    pub errors: Vec<Problem>,
    /// Said, and gone on with.
    pub warnings: Vec<Problem>,
}

impl Problems {
    /// In the order of the lines; what has no line comes first.
    pub fn sort(&mut self) {
        self.errors.sort_by_key(line);
        self.warnings.sort_by_key(line);
    }

    /// Whether an error about this key was told already, so that what follows from it need not be.
    pub fn blames(&self, key: &str) -> bool {
        self.errors.iter().any(|problem| problem.key == key)
    }
}

fn line(problem: &Problem) -> usize {
    match problem.given {
        Some((_, Origin::File { line, .. })) => line,
        _ => 0,
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.errors.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
