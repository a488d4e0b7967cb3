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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{eventually, sharded::SOON};

    #[test]
    fn a_service_that_is_there_twice_and_one_that_is_left_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let mark = format!("seen{}-", std::process::id());
        let start = |name: &str| {
            let mut sleep = std::process::Command::new("sleep");
            sleep.arg("100").env("TRADEWIND_SERVICE", name);
            sleep.env("TRADEWIND_TRADER", format!("{mark}t"));
            sleep
                .env("TRADEWIND_STATE_DIR", dir.path().join("services").join(name))
                .spawn()
                .unwrap()
        };
        let mut all = [start("trader.a"), start("trader.a"), start("trader.b")];
        // A process that has just been made has the environment of its parent for a moment.
        let twice = || services(dir.path()) == ["trader.a", "trader.a", "trader.b"];
        eventually("both are seen", SOON, twice);
        assert_eq!(started_as("TRADEWIND_TRADER=", &format!("TRADEWIND_TRADER={mark}")).len(), 3);
        for child in &mut all {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(services(dir.path()).is_empty());
    }
}
