//! Many sessions of the SDK in one process, as algos have them. Decides what counts as a quote after a kill: one that
//! left the venue after it, which what was killed cannot have carried. Commands come as lines on standard input, one
//! answer a line.

use super::site::INSTRUMENT;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::sleep,
};
use tradewind_sdk::{OrderRequest, Quote, Session, Side};

/// Sessions that are being opened at the same time: opening is not measured.
const OPENING: usize = 32;
/// Quotes that are kept for the moment in which a kill is known: some seconds' worth.
const KEPT: usize = 512;

/// What the process is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// From now on quotes are kept.
    Watch,
    /// Something was killed at this time, in nanoseconds.
    Killed(u64),
    /// How long each session was without a quote.
    Report,
    /// The one that trades ends its orders.
    WindDown,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    /// From the kill to the first quote after it, in microseconds, a session each; and how many have none yet.
    Report {
        back_us: Vec<u32>,
        missing: usize,
    },
    Failed(String),
}

#[derive(Default)]
struct Seen {
    /// Zero while nobody watches, 1 while a kill is awaited, then its time.
    killed: AtomicU64,
    opened: AtomicUsize,
    /// When each quote left the venue and when it came, of each session.
    quotes: Vec<Mutex<Vec<(u64, u64)>>>,
}

impl Seen {
    fn note(&self, session: usize, quote: &Quote) {
        let killed = self.killed.load(Ordering::Acquire);
        if killed == 0 || quote.at.0 <= killed {
            return;
        }
        let mut kept = self.quotes[session].lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && !kept.iter().any(|(at, _)| killed > 1 && *at > killed) {
            kept.push((quote.at.0, crate::clock::now().0));
        }
    }

    fn watch(&self) {
        for kept in &self.quotes {
            kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.killed.store(1, Ordering::Release);
    }

    fn report(&self) -> Answer {
        let killed = self.killed.load(Ordering::Acquire);
        let back = |kept: &Mutex<Vec<(u64, u64)>>| {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let (_, came) = kept.iter().find(|(at, _)| *at > killed)?;
            Some(u32::try_from(came.saturating_sub(killed) / 1_000).unwrap_or(u32::MAX))
        };
        let back_us: Vec<u32> = self.quotes.iter().filter_map(back).collect();
        let missing = self.quotes.len() - back_us.len();
        Answer::Report { back_us, missing }
    }
}

pub(super) async fn run(sessions: usize, history: Option<PathBuf>) -> anyhow::Result<()> {
    let quotes = (0..sessions).map(|_| Mutex::default()).collect();
    let seen = Arc::new(Seen { quotes, ..Seen::default() });
    let opening = Arc::new(Semaphore::new(OPENING));
    let (wind_down, mut asked) = mpsc::channel::<tokio::sync::oneshot::Sender<Answer>>(1);
    let mut tasks = JoinSet::new();
    if let Some(history) = history {
        let seen = seen.clone();
        tasks.spawn(async move { trade(&seen, history, &mut asked).await });
    }
    for session in tasks.len()..sessions {
        let (seen, opening) = (seen.clone(), opening.clone());
        tasks.spawn(async move { read(session, &seen, &opening).await });
    }
    while seen.opened.load(Ordering::Acquire) < sessions {
        tokio::select! {
            () = sleep(Duration::from_millis(20)) => {}
            Some(ended) = tasks.join_next() => ended??,
        }
    }
    say(&Answer::Done)?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let answer = match serde_json::from_str(&line)? {
                    Ask::Watch => { seen.watch(); Answer::Done }
                    Ask::Killed(at) => { seen.killed.store(at, Ordering::Release); Answer::Done }
                    Ask::Report => seen.report(),
                    Ask::WindDown => {
                        let (done, answer) = tokio::sync::oneshot::channel();
                        wind_down.send(done).await.context("nobody trades here")?;
                        answer.await.context("the trading session has ended")?
                    }
                };
                say(&answer)?;
            }
            Some(ended) = tasks.join_next() => ended??,
        }
    }
}

fn say(answer: &Answer) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}

async fn read(number: usize, seen: &Seen, opening: &Semaphore) -> anyhow::Result<()> {
    let (_session, mut quotes) = {
        let _one_of_few = opening.acquire().await?;
        let session = Session::builder().from_env()?.connect().await?;
        let quotes = session.quotes(INSTRUMENT).await?;
        (session, quotes)
    };
    seen.opened.fetch_add(1, Ordering::Release);
    loop {
        seen.note(number, &quotes.next().await?);
    }
}

/// Takes a little at every turn, rests an order and thinks better of it, as the sample algo does.
async fn trade(
    seen: &Seen,
    history: PathBuf,
    asked: &mut mpsc::Receiver<tokio::sync::oneshot::Sender<Answer>>,
) -> anyhow::Result<()> {
    let session = Session::builder().from_env()?.history(history).connect().await?;
    let mut quotes = session.quotes(INSTRUMENT).await?;
    let mut fills = session.fills().await?;
    seen.opened.fetch_add(1, Ordering::Release);
    let orders = async |session: &Session, mut turns: mpsc::Receiver<Quote>| {
        let mut turn = 0_u32;
        while let Some(quote) = turns.recv().await {
            let (Some(bid), Some(ask)) = (quote.bid, quote.ask) else { continue };
            turn += 1;
            let order = match turn % 3 {
                0 => OrderRequest::limit(INSTRUMENT, Side::Buy, "0.001", ask)?,
                1 => OrderRequest::market(INSTRUMENT, Side::Sell, "0.001")?,
                _ => OrderRequest::limit(INSTRUMENT, Side::Buy, "0.001", bid)?,
            };
            let order = session.submit(&order).await?;
            if turn % 3 == 2 {
                session.cancel(&order.order_id).await?;
            }
            sleep(EACH).await;
        }
        anyhow::Ok(())
    };
    // Its own orders do not keep it from reading: an algo whose order waits sees quotes all the same.
    let (turn, turns) = mpsc::channel(1);
    let trading = orders(&session, turns);
    let reading = async {
        loop {
            tokio::select! {
                quote = quotes.next() => {
                    let quote = quote?;
                    seen.note(0, &quote);
                    // Without room the last order still waits.
                    let _ = turn.try_send(quote);
                }
                fill = fills.next() => drop(fill?),
                Some(done) = asked.recv() => return anyhow::Ok(done),
            }
        }
    };
    let done = tokio::select! {
        done = reading => done?,
        ended = trading => {
            ended?;
            anyhow::bail!("the trading session has ended");
        }
    };
    let answer = match session.wind_down().await {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Failed(error.to_string()),
    };
    // Whoever asked waits for it.
    let _ = done.send(answer);
    std::future::pending().await
}

/// Between two orders.
const EACH: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn quote(at: u64) -> Quote {
        serde_json::from_value(serde_json::json!({
            "bid": "1", "bid_size": "1", "ask": "2", "ask_size": "1",
            "at": tradewind_domain::time::UnixNanos(at),
        }))
        .unwrap()
    }

    #[test]
    fn only_a_quote_that_left_the_venue_after_the_kill_counts() {
        let quotes = (0..2).map(|_| Mutex::default()).collect();
        let seen = Seen { quotes, ..Seen::default() };
        seen.note(0, &quote(50));
        seen.watch();
        let kill = crate::clock::now().0;
        // One on its way from before it, and one from after it, before it is known here.
        seen.note(0, &quote(kill - 10));
        seen.note(0, &quote(kill + 10));
        seen.killed.store(kill, Ordering::Release);
        seen.note(1, &quote(kill - 5));
        let Answer::Report { back_us, missing } = seen.report() else { panic!() };
        assert_eq!((back_us.len(), missing), (1, 1));
        seen.note(1, &quote(kill + 5));
        let Answer::Report { back_us, missing } = seen.report() else { panic!() };
        assert_eq!((back_us.len(), missing), (2, 0));
    }
}
