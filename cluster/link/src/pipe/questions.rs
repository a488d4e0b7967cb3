//! Questions over a pipe, and their answers. Decides which answer belongs to which question, and how many may be open;
//! what is asked, and how it stands on the wire, is the owner's: a message with a number, and one with the answer to it.
//!
//! Q1: a question has at most one answer, which came over the pipe that it was asked on; once that is down it is not
//! known whether it was heard. Q2: no more than `most` are open at a time: who asks faster than is answered is told so.

use std::{collections::BTreeMap, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// It was not asked: try again once the pipe stands, or do without.
    #[error("the pipe is not up")]
    NotUp,
    /// It was not asked: too many questions are open.
    #[error("too many questions are open")]
    Full,
    /// It may have been heard, and acted upon: the pipe went down, or nothing came in time.
    #[error("no answer came")]
    Unknown,
}

/// What is asked, and where its answer goes.
pub type Question<Q, A> = (Q, oneshot::Sender<Result<A, Unanswered>>);

/// Asks the owner of a pipe to put questions. Cheap to clone.
#[derive(Debug)]
pub struct Asker<Q, A> {
    questions: mpsc::Sender<Question<Q, A>>,
}

impl<Q, A> Clone for Asker<Q, A> {
    fn clone(&self) -> Self {
        Self { questions: self.questions.clone() }
    }
}

impl<Q, A> Asker<Q, A> {
    /// An asker, and where its questions arrive: at the pipe's owner, who holds the [`Questions`].
    #[must_use]
    pub fn new(most: usize) -> (Self, mpsc::Receiver<Question<Q, A>>) {
        let (questions, asked) = mpsc::channel(most.max(1));
        (Self { questions }, asked)
    }

    /// Asks once. May be cancelled; then nobody hears the answer.
    pub async fn ask(&self, question: Q, within: Duration) -> Result<A, Unanswered> {
        let (answer, answered) = oneshot::channel();
        match self.questions.try_send((question, answer)) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Unanswered::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Unanswered::NotUp),
        }
        match timeout(within, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Unanswered::Unknown),
        }
    }
}

/// The open questions of one side of a pipe.
#[derive(Debug)]
pub struct Questions<A> {
    most: usize,
    next: u64,
    open: BTreeMap<u64, oneshot::Sender<Result<A, Unanswered>>>,
}

impl<A> Questions<A> {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, next: 0, open: BTreeMap::new() }
    }

    /// Puts a question by `send`, which is given its number and says whether the message was taken.
    pub fn put<Q>(&mut self, question: Question<Q, A>, send: impl FnOnce(u64, Q) -> bool) {
        let (question, answer) = question;
        // Nobody waits any more for these.
        self.open.retain(|_, answer| !answer.is_closed());
        if self.open.len() >= self.most {
            let _ = answer.send(Err(Unanswered::Full));
            return;
        }
        self.next += 1;
        if send(self.next, question) {
            self.open.insert(self.next, answer);
        } else {
            let _ = answer.send(Err(Unanswered::NotUp));
        }
    }

    /// Takes an answer; one to what was not asked, or was answered, counts for nothing.
    pub fn answered(&mut self, n: u64, answer: A) {
        if let Some(asked) = self.open.remove(&n) {
            let _ = asked.send(Ok(answer));
        }
    }

    /// The pipe is down: what is open stays unanswered.
    pub fn down(&mut self) {
        for (_, asked) in std::mem::take(&mut self.open) {
            let _ = asked.send(Err(Unanswered::Unknown));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt as _;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn each_answer_goes_to_its_question_whatever_order_they_come_in() {
        let (asker, mut asked) = Asker::<&str, u32>::new(4);
        let mut questions = Questions::new(4);
        let (one, other) = (asker.ask("one", LONG), asker.ask("other", LONG));
        let owner = async {
            let mut numbers = Vec::new();
            for _ in 0..2 {
                let question = asked.recv().await.unwrap();
                questions.put(question, |n, text| {
                    numbers.push((n, text));
                    true
                });
            }
            for (n, text) in numbers.into_iter().rev() {
                questions.answered(n, if text == "one" { 1 } else { 2 });
                questions.answered(n, 99);
            }
            questions.answered(4_711, 3);
        };
        let (one, other, ()) = tokio::join!(one, other, owner);
        assert_eq!((one, other), (Ok(1), Ok(2)));
    }

    #[tokio::test]
    async fn what_was_not_sent_and_what_was_lost_with_its_pipe_are_told_apart() {
        let mut questions = Questions::<u32>::new(2);
        let put = |questions: &mut Questions<u32>, sent| {
            let (answer, answered) = oneshot::channel();
            questions.put(((), answer), |_, ()| sent);
            answered
        };
        let not_sent = put(&mut questions, false);
        assert_eq!(not_sent.await.unwrap(), Err(Unanswered::NotUp));
        let (first, second) = (put(&mut questions, true), put(&mut questions, true));
        let third = put(&mut questions, true);
        assert_eq!(third.await.unwrap(), Err(Unanswered::Full));
        // One that nobody waits for makes room.
        drop(first);
        let mut fourth = put(&mut questions, true);
        assert!((&mut fourth).now_or_never().is_none());
        questions.down();
        assert_eq!(second.await.unwrap(), Err(Unanswered::Unknown));
        assert_eq!(fourth.await.unwrap(), Err(Unanswered::Unknown));
    }

    #[tokio::test]
    async fn a_question_to_an_owner_that_is_gone_busy_or_silent_is_not_waited_for_without_end() {
        let (asker, asked) = Asker::<u32, u32>::new(1);
        let silent = asker.ask(1, Duration::from_millis(1)).await;
        assert_eq!(silent, Err(Unanswered::Unknown));
        assert_eq!(asker.ask(2, LONG).await, Err(Unanswered::Full));
        drop(asked);
        assert_eq!(asker.ask(3, LONG).await, Err(Unanswered::NotUp));
    }
}
