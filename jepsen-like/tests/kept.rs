//! Histories that are kept: every good one passes every check, every bad one is caught by the invariant that its name
//! begins with.
#![allow(clippy::unwrap_used)]

use jepsen_like::{checks::check, history::read};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn kept(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories").join(kind);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "{kind}: {} histories are kept", files.len());
    files
}

#[test]
fn every_good_history_passes() {
    for path in kept("good") {
        let checked = check(&read(&path).unwrap()).unwrap();
        assert!(checked.findings.is_empty(), "{}: {:?}", path.display(), checked.findings);
        assert!(checked.undecided.is_empty(), "{}: {:?}", path.display(), checked.undecided);
    }
}

#[test]
fn every_bad_history_is_caught_by_its_invariant() {
    for path in kept("bad") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let invariant = name.split('-').next().unwrap().to_uppercase();
        let checked = check(&read(&path).unwrap()).unwrap();
        let found = checked.findings.iter().any(|finding| finding.invariant == invariant);
        assert!(found, "{name}: {checked:?}");
        let shown = checked.findings.iter().all(|finding| !finding.text.is_empty());
        assert!(shown, "{name}: a finding says nothing");
    }
}
