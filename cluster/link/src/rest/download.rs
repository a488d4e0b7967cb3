//! Fetching something large. Decides that it goes to its place piece by piece, and that a sender who falls
//! silent is given up; what was fetched is the caller's to judge.

use super::{Rest, RestError, refusal, told};
use crate::limits;
use std::{io, time::Duration};
use tokio::time::timeout;

impl Rest {
    /// Gets `http://address/path` and hands each piece of the answer to `take`, in order. `first_within`:
    /// how long the answer may take to begin; then each piece has as long. Gives the length.
    pub async fn download(
        &self,
        address: &str,
        path: &str,
        first_within: Duration,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, RestError> {
        let unknown = |reason: String| {
            let address = address.to_string();
            RestError::Unknown { address, reason, problem: None }
        };
        let late = |_| unknown(format!("nothing came for {first_within:?}"));
        let sent = self.client.get(format!("http://{address}{path}")).send();
        let mut response = timeout(first_within, sent)
            .await
            .map_err(late)?
            .map_err(|error| told(address, &error))?;
        let status = response.status();
        let (expected, mut taken, mut problem) = (response.content_length(), 0, Vec::new());
        loop {
            let piece = timeout(first_within, response.chunk()).await.map_err(late)?;
            let Some(piece) = piece.map_err(|error| told(address, &error))? else { break };
            if status.is_success() {
                take(&piece).map_err(|error| unknown(format!("it cannot be kept: {error}")))?;
            } else if problem.len() + piece.len() <= limits::ANSWER_BYTES {
                problem.extend_from_slice(&piece);
            }
            taken += piece.len() as u64;
        }
        if !status.is_success() {
            return Err(refusal(address, status, &problem));
        }
        if expected.is_some_and(|expected| expected != taken) {
            return Err(unknown(format!("the answer ended after {taken} bytes")));
        }
        Ok(taken)
    }
}
