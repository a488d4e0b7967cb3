//! Other people's Kraken clients against `tradewind sim kraken`. All of it stands in `tests/`: nothing here is used.
