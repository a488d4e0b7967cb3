//! What waits for one slow writer. Decides what may be thinned: of a latest-only key the newest value
//! stands in the first one's place, of a recent key the first few wait and the newest stands in the last
//! one's place, of a ring the newest few at the place of the first; ordered items are never left out (a full outbox
//! refuses them). Bounded by the number of keys and taps and by the limit on ordered items.

use super::ring::Tap;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

enum Slot<K, T> {
    Ordered(T),
    Latest(K),
    Recent(K, T),
    /// What its ring has for this reader when it is taken.
    Tap(Arc<Tap<T>>),
}

struct Queue<K, T> {
    slots: VecDeque<Slot<K, T>>,
    latest: HashMap<K, T>,
    /// How many wait of a recent key.
    recent: HashMap<K, usize>,
    ordered: usize,
    /// Items taken since the beginning.
    taken: u64,
}

/// Filled by one task, emptied by another.
pub(crate) struct Outbox<K, T> {
    queue: Mutex<Queue<K, T>>,
    limit: usize,
    filled: Notify,
    /// Told after each taking.
    room: Arc<Notify>,
}

/// An ordered item found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl<K: Clone + Eq + Hash, T: Clone> Outbox<K, T> {
    /// Takes at most `limit` ordered items at a time; `room` is told when some were taken out.
    pub(crate) fn new(limit: usize, room: Arc<Notify>) -> Self {
        let queue = Queue {
            slots: VecDeque::new(),
            latest: HashMap::new(),
            recent: HashMap::new(),
            ordered: 0,
            taken: 0,
        };
        Self { queue: Mutex::new(queue), limit, filled: Notify::new(), room }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<K, T>> {
        // No code that can panic runs under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the item in; an older one under the same key is replaced where it stands.
    pub(crate) fn push_latest(&self, key: K, item: T) {
        let mut queue = self.queue();
        if queue.latest.insert(key.clone(), item).is_none() {
            queue.slots.push_back(Slot::Latest(key));
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Puts the item in behind those under the same key, as long as fewer than `most` wait; else in place of the last
    /// of them.
    pub(crate) fn push_recent(&self, key: K, item: T, most: usize) {
        let mut queue = self.queue();
        let waiting = queue.recent.get(&key).copied().unwrap_or_default();
        if waiting < most {
            queue.recent.insert(key.clone(), waiting + 1);
            queue.slots.push_back(Slot::Recent(key, item));
        } else {
            let last = queue.slots.iter_mut().rev().find_map(|slot| match slot {
                Slot::Recent(of, held) if *of == key => Some(held),
                Slot::Recent(..) | Slot::Latest(_) | Slot::Ordered(_) | Slot::Tap(_) => None,
            });
            if let Some(held) = last {
                *held = item;
            }
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Something has come to the ring of this tap; where the tap stands here already, that is all.
    pub(crate) fn push_tap(&self, tap: &Arc<Tap<T>>) {
        if tap.raise() {
            self.queue().slots.push_back(Slot::Tap(tap.clone()));
            self.filled.notify_one();
        }
    }

    /// Puts the item in unless one under the same key is still there: that one stands before whatever
    /// came since, and must not speak of it.
    pub(crate) fn push_unless_queued(&self, key: K, item: T) {
        let mut queue = self.queue();
        if !queue.latest.contains_key(&key) {
            queue.latest.insert(key.clone(), item);
            queue.slots.push_back(Slot::Latest(key));
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Takes back what waits under a key.
    pub(crate) fn forget(&self, key: &K) {
        let mut queue = self.queue();
        if queue.latest.remove(key).is_some() {
            queue.slots.retain(|slot| !matches!(slot, Slot::Latest(k) if k == key));
        }
        if queue.recent.remove(key).is_some() {
            queue.slots.retain(|slot| !matches!(slot, Slot::Recent(k, _) if k == key));
        }
    }

    /// Puts an item in that must not be left out.
    pub(crate) fn push_ordered(&self, item: T) -> Result<(), Full> {
        let mut queue = self.queue();
        if queue.ordered >= self.limit {
            return Err(Full);
        }
        queue.ordered += 1;
        queue.slots.push_back(Slot::Ordered(item));
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// How many ordered items wait.
    pub(crate) fn ordered(&self) -> usize {
        self.queue().ordered
    }

    /// How many items were taken since the beginning: unchanged, the reader has taken nothing.
    pub(crate) fn taken(&self) -> u64 {
        self.queue().taken
    }

    /// Everything is dropped.
    pub(crate) fn clear(&self) {
        let mut queue = self.queue();
        queue.slots.clear();
        queue.latest.clear();
        queue.recent.clear();
        queue.ordered = 0;
        drop(queue);
        self.room.notify_one();
    }

    /// Waits until something is there, then moves up to `most` items to the end of `into`. May be
    /// cancelled: nothing is taken before it returns.
    pub(crate) async fn take(&self, most: usize, into: &mut Vec<T>) {
        loop {
            if self.take_now(most, into) > 0 {
                return;
            }
            self.filled.notified().await;
        }
    }

    /// Moves what is there, up to `most` items and what a tap has more; says how many.
    pub(crate) fn take_now(&self, most: usize, into: &mut Vec<T>) -> usize {
        let mut queue = self.queue();
        let before = into.len();
        while into.len() - before < most {
            let item = match queue.slots.pop_front() {
                Some(Slot::Ordered(item)) => {
                    queue.ordered -= 1;
                    Some(item)
                }
                Some(Slot::Latest(key)) => queue.latest.remove(&key),
                Some(Slot::Recent(key, item)) => {
                    if let Some(waiting) = queue.recent.get_mut(&key) {
                        *waiting -= 1;
                    }
                    Some(item)
                }
                Some(Slot::Tap(tap)) => {
                    tap.draw(into);
                    None
                }
                None => break,
            };
            into.extend(item);
        }
        let count = into.len() - before;
        queue.taken += count as u64;
        drop(queue);
        if count > 0 {
            self.room.notify_one();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(limit: usize) -> Outbox<&'static str, u32> {
        Outbox::new(limit, Arc::default())
    }

    fn all(outbox: &Outbox<&'static str, u32>) -> Vec<u32> {
        let mut taken = Vec::new();
        outbox.take_now(100, &mut taken);
        taken
    }

    #[test]
    fn a_slow_reader_gets_the_latest_of_each_key_and_every_ordered_item() {
        // given
        let outbox = outbox(10);
        // when
        for n in 0..1_000 {
            outbox.push_latest("btc", n);
            outbox.push_latest("eth", n + 1_000);
            if n % 400 == 0 {
                assert_eq!(outbox.push_ordered(n + 5_000), Ok(()));
            }
        }
        // then
        assert_eq!(all(&outbox), [999, 1_999, 5_000, 5_400, 5_800]);
    }

    #[test]
    fn of_a_recent_key_the_first_few_wait_and_the_last_of_them_is_the_newest() {
        // given
        let outbox = outbox(10);
        // when
        for n in 0..1_000 {
            outbox.push_recent("btc", n, 3);
        }
        assert_eq!(outbox.push_ordered(7_000), Ok(()));
        outbox.push_recent("btc", 1_000, 3);
        outbox.push_recent("eth", 5, 3);
        // then
        assert_eq!(all(&outbox), [0, 1, 1_000, 7_000, 5]);
        outbox.push_recent("btc", 2_000, 3);
        outbox.push_recent("eth", 6, 3);
        outbox.forget(&"btc");
        assert_eq!(all(&outbox), [6]);
        outbox.push_recent("btc", 2_001, 1);
        assert_eq!(all(&outbox), [2_001], "what was forgotten counts no more");
    }

    #[test]
    fn a_full_outbox_refuses_ordered_items_and_still_takes_the_latest() {
        // given
        let outbox = outbox(1);
        assert_eq!(outbox.push_ordered(1), Ok(()));
        // then
        assert_eq!(outbox.push_ordered(2), Err(Full));
        outbox.push_latest("btc", 3);
        assert_eq!(all(&outbox), [1, 3]);
        assert_eq!(outbox.push_ordered(4), Ok(()));
        assert_eq!(outbox.ordered(), 1);
    }

    #[test]
    fn a_queued_heartbeat_is_not_replaced_by_one_that_names_later_numbers() {
        // given
        let outbox = outbox(1);
        outbox.push_unless_queued("heartbeat", 1);
        outbox.push_latest("btc", 7);
        // when
        outbox.push_unless_queued("heartbeat", 2);
        // then
        assert_eq!(all(&outbox), [1, 7]);
    }

    #[test]
    fn what_was_forgotten_is_not_taken() {
        // given
        let outbox = outbox(1);
        outbox.push_latest("btc", 1);
        outbox.push_latest("eth", 2);
        // when
        outbox.forget(&"btc");
        // then
        assert_eq!(all(&outbox), [2]);
    }

    #[tokio::test]
    async fn taking_waits_until_something_is_there() {
        // given
        let outbox = Arc::new(outbox(1));
        let taker = {
            let outbox = outbox.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                outbox.take(10, &mut taken).await;
                taken
            })
        };
        tokio::task::yield_now().await;
        // when
        outbox.push_latest("btc", 1);
        // then
        assert_eq!(taker.await.ok(), Some(vec![1]));
    }
}
