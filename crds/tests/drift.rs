//! The committed YAML is what the types say.

use std::{fs, path::Path};

#[test]
fn committed_definitions_are_what_the_types_say() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["crds/yaml", "charts/odradek/files/crds"] {
        for (file, definition) in odradek_crds::crd::all() {
            let path = top.join(folder).join(file);
            let committed = fs::read_to_string(&path).unwrap_or_default();
            let generated = odradek_crds::crd::yaml(&definition).expect("a definition is YAML");
            assert!(
                committed == generated,
                "{folder}/{file} is not what the types in crds/src say: run `make crds` and commit"
            );
        }
    }
}
