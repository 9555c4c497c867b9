//! The captured frames.

use std::fs;
use std::path::Path;

use bytes::Bytes;

/// One captured frame.
pub(crate) struct Vector {
    /// Its file's name.
    pub(crate) name: String,
    /// The frame without its length.
    pub(crate) frame: Bytes,
}

impl Vector {
    /// The API in the name, `offset_commit`.
    pub(crate) fn api(&self) -> &str {
        self.name.rsplitn(3, '_').nth(2).expect("<api>_v<version>_<n>.bin")
    }

    /// The version in the name.
    pub(crate) fn version(&self) -> i16 {
        let version = self.name.rsplit('_').nth(1).expect("<api>_v<version>_<n>.bin");
        version[1..].parse().expect("a number after v")
    }
}

/// All frames of a folder of testdata, by name.
pub(crate) fn vectors(folder: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let mut all: Vec<_> = fs::read_dir(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.expect("readable folder").path())
        .map(|path| Vector {
            name: path.file_name().expect("a file").to_string_lossy().into_owned(),
            frame: fs::read(&path).expect("readable file").into(),
        })
        .collect();
    all.sort_by(|left, right| left.name.cmp(&right.name));
    assert!(!all.is_empty(), "no vectors in {}", path.display());
    all
}
