//! Processes by what they were started as: one that is there twice, and one that nobody knows of any more, are found like any other.

use std::{fs, path::Path};
use tradewind_launcher::process_is_alive;

/// All whose environment has this word before the name, and holds the rest; by their names.
#[must_use]
pub fn started_as(word: &str, holding: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // A zombie has none.
        let Ok(bytes) = fs::read(entry.path().join("environ")) else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let name = text.split('\0').find_map(|part| part.strip_prefix(word));
        if let Some(name) = name
            && text.contains(holding)
            && process_is_alive(pid)
        {
            found.push(name.to_owned());
        }
    }
    found.sort();
    found
}

/// How many processes have ended and are still their parent's to reap.
#[must_use]
pub fn zombies(parent: u32) -> usize {
    let own = format!(" Z {parent} ");
    let stats = fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| stat.rsplit(')').next().unwrap_or_default().starts_with(&own)).count()
}

/// The services that run out of a Manager's directory.
#[must_use]
pub fn services(data: &Path) -> Vec<String> {
    started_as("TRADEWIND_SERVICE=", &format!("TRADEWIND_STATE_DIR={}/", data.display()))
}
