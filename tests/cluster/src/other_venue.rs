//! A second venue beside the demo's: the sim venue, or Kraken's simulator. Decides where it listens and keeps its ledger, and how it is asked for it.
#![allow(clippy::unwrap_used)]

use crate::{Demo, binary};
use serde_json::Value;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
};
use tradewind_launcher::Ports;

/// Killed when dropped.
pub struct OtherVenue {
    child: Child,
    pub address: String,
}

impl OtherVenue {
    /// Its ledger stands among the demo's data.
    #[must_use]
    pub fn start(demo: &Demo, more: &[&str]) -> Self {
        Self::at(&demo.data.path().join("other-venue"), more)
    }

    /// With its ledger in this directory.
    #[must_use]
    pub fn at(ledger: &Path, more: &[&str]) -> Self {
        Self::run(&["sim-venue"], ledger, Ports::new(None).take().unwrap().to_string(), more)
    }

    /// Kraken's simulator, with one API key.
    #[must_use]
    pub fn kraken(ledger: &Path, key: &str, secret: &str) -> Self {
        let address = Ports::new(None).take().unwrap().to_string();
        Self::run(&["sim", "kraken"], ledger, address, &["--api-key", key, "--api-secret", secret])
    }

    /// One that has ended, with its ledger and where it was.
    #[must_use]
    pub fn again(ledger: &Path, address: &str) -> Self {
        Self::run(&["sim-venue"], ledger, address.to_owned(), &[])
    }

    fn run(venue: &[&str], ledger: &Path, address: String, more: &[&str]) -> Self {
        let child = Command::new(binary())
            .args(venue)
            .args(["--listen", &address, "--data"])
            .arg(ledger)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, address }
    }
}

impl Drop for OtherVenue {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page of a venue's; null while it is away.
pub async fn page(venue: &str, path: &str) -> Value {
    match reqwest::get(format!("http://{venue}{path}")).await {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(_) => Value::Null,
    }
}

/// What a venue says of an account.
pub async fn ledger(venue: &str, account: &str) -> Value {
    page(venue, &format!("/v1/ledger?account={account}")).await
}
