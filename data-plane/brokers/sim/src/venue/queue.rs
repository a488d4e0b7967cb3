//! The frames on their way to one client. Decides when a client is too far behind: then it is cut, since a
//! frame it does not get must not go unnoticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::limits::{CLIENT_QUEUE_BYTES, CLIENT_QUEUE_FRAMES};

/// The venue's end.
pub(super) struct QueueSender {
    frames: mpsc::Sender<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
    cut: CancellationToken,
}

/// The connection's end.
pub(crate) struct QueueReader {
    frames: mpsc::Receiver<Utf8Bytes>,
    bytes: Arc<AtomicUsize>,
    cut: CancellationToken,
}

pub(super) fn queue() -> (QueueSender, QueueReader) {
    let (sender, receiver) = mpsc::channel(CLIENT_QUEUE_FRAMES);
    let (bytes, cut) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let reader = QueueReader { frames: receiver, bytes: Arc::clone(&bytes), cut: cut.clone() };
    (QueueSender { frames: sender, bytes, cut }, reader)
}

impl QueueSender {
    /// Queues a frame; false if the client is too far behind, and now cut, or has gone.
    pub(super) fn send(&self, frame: Utf8Bytes) -> bool {
        let length = frame.len();
        let queued = self.bytes.fetch_add(length, Ordering::Relaxed) + length;
        let taken = queued <= CLIENT_QUEUE_BYTES && self.frames.try_send(frame).is_ok();
        if !taken {
            self.cut.cancel();
        }
        taken
    }
}

impl QueueReader {
    /// Waits for frames and moves up to `most` of them into the batch. None when the venue has stopped.
    pub(crate) async fn receive(&mut self, batch: &mut Vec<Utf8Bytes>, most: usize) -> Option<()> {
        let before = batch.len();
        if self.frames.recv_many(batch, most).await == 0 {
            return None;
        }
        let length = batch[before..].iter().map(|frame| frame.len()).sum();
        self.bytes.fetch_sub(length, Ordering::Relaxed);
        Some(())
    }

    /// Cancelled when the client is cut: what is still queued need not be sent.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_is_never_cut_and_one_that_does_not_is() {
        let (sender, mut reader) = queue();
        let frame = Utf8Bytes::from("x".repeat(64 << 10));
        let mut batch = Vec::new();
        for _ in 0..1_000 {
            assert!(sender.send(frame.clone()));
            reader.receive(&mut batch, 64).await.unwrap();
            batch.clear();
        }
        let fit = CLIENT_QUEUE_BYTES / frame.len();
        for _ in 0..fit {
            assert!(sender.send(frame.clone()));
        }
        assert!(!reader.cut().is_cancelled());
        assert!(!sender.send(frame));
        assert!(reader.cut().is_cancelled());
    }

    #[test]
    fn many_small_frames_have_a_bound_too() {
        let (sender, reader) = queue();
        let taken = (0..).take_while(|_| sender.send(Utf8Bytes::from_static("x"))).count();
        assert_eq!(taken, CLIENT_QUEUE_FRAMES);
        assert!(reader.cut().is_cancelled());
    }
}
