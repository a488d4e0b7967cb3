//! What a member takes from the thread it runs on: chance, and threads for work that blocks. Decides that
//! a thread of a simulation gets both from its seed: chance by seed, work in its own turn after a drawn
//! delay. Any other thread has the operating system's, at the price of one look at a thread-local; nothing
//! here is on the path of a write.

mod moment;

pub(crate) use moment::Moment;
pub use moment::since_boot;

use openraft_rt_tokio::TokioRuntime;
use rand_core::TryRng;
use std::{cell::RefCell, convert::Infallible, future::Future, io, time::Duration};
use tokio::task::JoinHandle;

thread_local! {
    static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
}

struct Simulated {
    state: u64,
    delay_max: Duration,
    slept: Duration,
}

/// As long as it lives its thread is a simulation's. See [`simulate`].
#[must_use = "the thread is a simulation's only as long as this lives"]
#[derive(Debug)]
pub struct SimulatedThread(());

/// Makes this thread one of a simulation: what members on it leave to chance comes from `seed`, and what
/// they would do on other threads they do on this one, up to `delay_max` later (in tokio's time).
pub fn simulate(seed: u64, delay_max: Duration) -> SimulatedThread {
    SIMULATED.set(Some(Simulated { state: seed, delay_max, slept: Duration::ZERO }));
    SimulatedThread(())
}

impl SimulatedThread {
    /// As if the machine had been suspended for so long: timers do not know of it, ages do.
    pub fn sleep_through(&self, duration: Duration) {
        SIMULATED.with_borrow_mut(|simulated| {
            if let Some(simulated) = simulated {
                simulated.slept += duration;
            }
        });
    }
}

/// How long the machine of a simulation has slept; none outside of one.
fn drowsed() -> Option<Duration> {
    SIMULATED.with_borrow(|simulated| simulated.as_ref().map(|simulated| simulated.slept))
}

impl Drop for SimulatedThread {
    fn drop(&mut self) {
        SIMULATED.set(None);
    }
}

/// splitmix64: each number of 64 bits once, in an order that looks like none.
fn advance(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number by the seed and the longest delay, on a thread of a simulation.
fn drawn() -> Option<(u64, Duration)> {
    SIMULATED.with_borrow_mut(|simulated| {
        let simulated = simulated.as_mut()?;
        Some((advance(&mut simulated.state), simulated.delay_max))
    })
}

/// Whether this thread is a simulation's.
pub(crate) fn is_simulated() -> bool {
    SIMULATED.with_borrow(Option::is_some)
}

/// As `tokio::task::spawn_blocking`, which it is outside a simulation. There the work is done whole in
/// one turn, or not at all if the member is killed before.
pub(crate) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    match drawn() {
        None => tokio::task::spawn_blocking(work),
        Some((drawn, delay_max)) => tokio::spawn(async move {
            let delay = drawn % (delay_max.as_micros() as u64).saturating_add(1);
            if delay > 0 {
                tokio::time::sleep(Duration::from_micros(delay)).await;
            }
            work()
        }),
    }
}

/// Tokio for openraft, with chance by [`simulate`].
#[derive(Debug)]
pub(crate) struct Runtime(TokioRuntime);

type Inner<T> = <TokioRuntime as openraft::AsyncRuntime>::Mutex<T>;

/// Where openraft draws its election timeouts from.
pub(crate) enum Chance {
    System(<TokioRuntime as openraft::AsyncRuntime>::ThreadLocalRng),
    Seeded(u64),
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| (number >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        match self {
            Self::System(system) => system.try_next_u64(),
            Self::Seeded(state) => Ok(advance(state)),
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for piece in bytes.chunks_mut(8) {
            let number = self.try_next_u64()?.to_le_bytes();
            piece.copy_from_slice(&number[..piece.len()]);
        }
        Ok(())
    }
}

impl openraft::AsyncRuntime for Runtime {
    type JoinError = tokio::task::JoinError;
    type JoinHandle<T: Send + 'static> = JoinHandle<T>;
    type Sleep = tokio::time::Sleep;
    type Instant = Moment;
    type TimeoutError = tokio::time::error::Elapsed;
    type Timeout<R, T: Future<Output = R> + Send> = tokio::time::Timeout<T>;
    type ThreadLocalRng = Chance;

    fn spawn<T>(future: T) -> JoinHandle<T::Output>
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        TokioRuntime::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        tokio::time::sleep_until(deadline.timer())
    }

    fn timeout<R, F: Future<Output = R> + Send>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + Send>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        tokio::time::timeout_at(deadline.timer(), future)
    }

    fn is_panic(error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(error)
    }

    fn thread_rng() -> Chance {
        match drawn() {
            Some((seed, _)) => Chance::Seeded(seed),
            None => Chance::System(TokioRuntime::thread_rng()),
        }
    }

    type Mpsc = openraft_rt_tokio::TokioMpsc;
    type Watch = openraft_rt_tokio::TokioWatch;
    type Oneshot = openraft_rt_tokio::TokioOneshot;
    type Mutex<T: Send + 'static> = Inner<T>;

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }

    fn spawn_blocking<F, T>(work: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let work = spawn_blocking(work);
        async { work.await.map_err(io::Error::other) }
    }
}
