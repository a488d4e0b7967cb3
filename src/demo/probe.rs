//! Writes to the replicated state without a pause, to see when they are accepted. Decides what an outage
//! of the control plane is: the time from a kill to the next accepted write.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::time::UnixNanos;
use tradewind_link::rest::Method;
use tradewind_protocol::control::{Changed, PutRegister};

/// Between two writes: fine enough to see an outage of tens of milliseconds.
const EVERY: Duration = Duration::from_millis(10);
const WITHIN: Duration = Duration::from_secs(10);

/// Ends when it is dropped.
pub(crate) struct Probe {
    accepted: Arc<Mutex<Vec<UnixNanos>>>,
    task: JoinHandle<()>,
}

impl Probe {
    pub(crate) fn start(client: ControlClient, keys: Arc<KeySource>) -> Self {
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let noted = accepted.clone();
        let task = tokio::spawn(async move {
            let mut n = 0_u64;
            loop {
                n += 1;
                let body = PutRegister { value: n.to_string(), expected: None };
                let answer: Answer<Changed> = client
                    .change(Method::PUT, "/v1/registers/probe", &body, &keys.next(), WITHIN)
                    .await;
                if matches!(answer, Answer::Accepted(_)) {
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push(crate::clock::now());
                }
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { accepted, task }
    }

    /// When writes were accepted, in order.
    pub(crate) fn accepted(&self) -> Vec<UnixNanos> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}
