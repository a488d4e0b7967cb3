//! A second sim venue beside the demo's. Decides where it listens and keeps its ledger, and how it is asked for it.
#![allow(clippy::unwrap_used)]

use crate::{Demo, binary};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
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
        let address = Ports::new(None).take().unwrap().to_string();
        let child = Command::new(binary())
            .args(["sim-venue", "--listen", &address, "--data"])
            .arg(demo.data.path().join("other-venue"))
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
