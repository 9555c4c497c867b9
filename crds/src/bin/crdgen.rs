//! `odradek-crdgen`: writes the CustomResourceDefinitions to the folders that carry them.

use std::{fs, path::Path, process::ExitCode};

/// The folders that carry the definitions, from the top of the repository.
const FOLDERS: [&str; 2] = ["crds/yaml", "charts/odradek/files/crds"];

fn main() -> ExitCode {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in FOLDERS {
        for (file, definition) in odradek_crds::crd::all() {
            let path = top.join(folder).join(file);
            let written = odradek_crds::crd::yaml(&definition)
                .map_err(|e| e.to_string())
                .and_then(|yaml| fs::write(&path, yaml).map_err(|e| e.to_string()));
            if let Err(error) = written {
                eprintln!("odradek-crdgen: {folder}/{file}: {error}");
                return ExitCode::FAILURE;
            }
            println!("{folder}/{file}");
        }
    }
    ExitCode::SUCCESS
}
