//! How many recorded book updates a second one core parses, applies and proves. Prints the figure; the target
//! is 50,000. Run: `cargo bench -p tradewind-kraken --bench book`.

use std::time::{Duration, Instant};

use tradewind_kraken::book::{Book, Precision};
use tradewind_kraken::ws::{Message, market::Market, read};

const RECORDED: &str = include_str!("../recordings/kraken_book_btcusd_depth10.jsonl");
const MEASURED: Duration = Duration::from_secs(3);

fn main() {
    let lines: Vec<&str> = RECORDED.lines().collect();
    let mut rounds = Vec::new();
    let mut book = Book::new(Precision { price: 1, quantity: 8 }, 10);
    let begun = Instant::now();
    while begun.elapsed() < MEASURED {
        let round = Instant::now();
        for line in &lines {
            let Ok(Message::Market(Market::Book(kind, message))) = read(line) else {
                panic!("the recording holds books alone: {line}")
            };
            if let Err(fault) = book.apply(kind, &message) {
                panic!("the recording is whole: {fault}");
            }
        }
        rounds.push(round.elapsed());
    }
    rounds.sort_unstable();
    let per_second = |round: Duration| lines.len() as f64 / round.as_secs_f64();
    let (median, slowest) = (rounds[rounds.len() / 2], rounds[rounds.len() - 1]);
    println!(
        "book updates parsed and checked, one core: median {:.0}/s, slowest round {:.0}/s, {} rounds of {}",
        per_second(median),
        per_second(slowest),
        rounds.len(),
        lines.len()
    );
}
