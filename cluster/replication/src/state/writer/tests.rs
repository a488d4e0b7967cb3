//! Claims about the writer's end: whoever finds it gone, however soon, is told what it died of. His error is the one that the
//! operator reads, since the member has not heard of it yet.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    Environment,
    state::{Batch, Kv, Visit},
    tests::world::eventually,
};
use std::{
    iter::repeat_n,
    path::Path,
    pin::Pin,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc as blocking,
    },
    task::{Context, Poll, Wake, Waker},
};

/// A disk that takes its time for the first write, and then has no room for it.
struct Full {
    asked: Arc<AtomicBool>,
    answers: Mutex<blocking::Receiver<()>>,
}

impl Kv for Full {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(None)
    }

    fn range(&self, _: &[u8], _: &[u8], _: &mut Visit) -> Result<(), StateError> {
        Ok(())
    }

    fn apply(&self, _: Batch) -> Result<(), StateError> {
        self.asked.store(true, Ordering::SeqCst);
        // Also when a test that has failed lets go of it.
        let _ = self.answers.lock().unwrap().recv();
        Err(io::Error::from_raw_os_error(28).into())
    }

    fn flush(&self) -> Result<(), StateError> {
        Ok(())
    }
}

/// Reads on in the very moment in which it is woken, as one on another core does who is quick: what the writer does
/// after that, it has not done yet.
struct Quick<F: Future> {
    waits: Mutex<Option<Pin<Box<F>>>>,
    answer: Mutex<Option<F::Output>>,
}

impl<F: Future + Send + 'static> Quick<F>
where
    F::Output: Send,
{
    fn begin(reads: F) -> Arc<Self> {
        let waits = Mutex::new(Some(Box::pin(reads)));
        let quick = Arc::new(Self { waits, answer: Mutex::new(None) });
        quick.clone().wake();
        quick
    }

    fn answer(&self) -> Option<F::Output> {
        self.answer.lock().unwrap().take()
    }
}

impl<F: Future + Send + 'static> Wake for Quick<F>
where
    F::Output: Send,
{
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(self.clone());
        // Not from its own poll: nothing here wakes itself.
        let Ok(mut waits) = self.waits.try_lock() else { return };
        let Some(reads) = waits.as_mut() else { return };
        if let Poll::Ready(answer) = reads.as_mut().poll(&mut Context::from_waker(&waker)) {
            *waits = None;
            *self.answer.lock().unwrap() = Some(answer);
        }
    }
}

/// A writer whose first write is under way; it fails once the sender is used, or gone.
async fn writing() -> (StateWriter, JoinHandle<Result<(), StateError>>, blocking::Sender<()>) {
    let (fails, answers) = blocking::channel();
    let (asked, answers) = (Arc::new(AtomicBool::new(false)), Mutex::new(Some(answers)));
    let begun = asked.clone();
    let rows = move |_: &Path| -> Result<Box<dyn Kv>, StateError> {
        let answers = Mutex::new(answers.lock().unwrap().take().unwrap());
        Ok(Box::new(Full { asked: asked.clone(), answers }))
    };
    let environment = Environment { rows: Arc::new(rows), ..Environment::default() };
    let (store, loaded) = StateStore::open_in(&environment, Path::new("nowhere")).unwrap();
    let published = Arc::new(Published::new(&loaded, Arc::default()));
    let (writer, task) = StateWriter::start(store, None, published);
    much(&writer, STATE_BEHIND_EARLY);
    eventually("the disk is asked", || begun.load(Ordering::SeqCst).then_some(())).await;
    (writer, task, fails)
}

fn much(writer: &StateWriter, rows: usize) {
    writer.note(repeat_n(RowKey::Cluster(()), rows), &Head::default());
}

#[tokio::test]
async fn who_waits_for_a_writer_that_ends_is_told_what_it_died_of_however_soon_he_looks() {
    // given: one who applies and waits, since the disk is slow
    let (writer, task, fails) = writing().await;
    much(&writer, STATE_BEHIND_MAX);
    let waits = writer.clone();
    let quick = Quick::begin(async move { waits.room().await });
    assert!(quick.answer().is_none(), "he waits");
    // when
    fails.send(()).unwrap();
    task.await.unwrap().unwrap_err();
    // then
    let said = quick.answer().unwrap().unwrap_err().to_string();
    assert!(said.contains("No space left"), "{said}");
    // So is who comes later.
    let said = writer.room().await.unwrap_err().to_string();
    assert!(said.contains("No space left"), "{said}");
}

#[tokio::test]
async fn who_has_a_whole_state_put_in_place_is_told_what_the_write_before_it_died_of() {
    // given: a state is to be put in the place of one that is being written
    let (writer, task, fails) = writing().await;
    let asks = writer.clone();
    let quick =
        Quick::begin(async move { asks.replace(Machine::default(), Head::default()).await });
    eventually("it is taken", || (writer.inbox.capacity() == 1).then_some(())).await;
    assert!(quick.answer().is_none(), "it waits for the write");
    // when
    fails.send(()).unwrap();
    task.await.unwrap().unwrap_err();
    // then
    let said = quick.answer().unwrap().unwrap_err().to_string();
    assert!(said.contains("No space left"), "{said}");
    let again = writer.replace(Machine::default(), Head::default()).await;
    let said = again.unwrap_err().to_string();
    assert!(said.contains("No space left"), "{said}");
}
