//! The few names that random logs are about: so few that commands meet. Decides nothing else.

use std::str::FromStr;
use tradewind_domain::ids::{
    AccountId, ClientId, CopyId, CustomerId, ImplementationId, InstrumentId, KeyHash, LocationId,
    MarketId, ProgramId, RegisterId, TraderId, VenueId,
};

pub(super) struct Names {
    pub(super) implementations: Vec<ImplementationId>,
    pub(super) locations: Vec<LocationId>,
    pub(super) customers: Vec<CustomerId>,
    pub(super) traders: Vec<TraderId>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) markets: Vec<MarketId>,
    pub(super) registers: Vec<RegisterId>,
    pub(super) venues: Vec<VenueId>,
    pub(super) instruments: Vec<InstrumentId>,
    pub(super) clients: Vec<ClientId>,
    pub(super) hashes: Vec<KeyHash>,
    pub(super) copies: Vec<CopyId>,
    pub(super) programs: Vec<ProgramId>,
}

fn named<T: FromStr>(texts: &[&str]) -> Vec<T> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            implementations: named(&["a", "b", "c"]),
            locations: named(&["here", "there"]),
            customers: named(&["x", "y", "z"]),
            traders: named(&["t", "u", "v", "w"]),
            accounts: named(&["k", "l"]),
            markets: named(&["m", "n"]),
            registers: named(&["r", "s"]),
            venues: named(&["sim", "sim-2"]),
            instruments: named(&["BTC/USD", "ETH/USD"]),
            clients: named(&["one", "two", "three"]),
            programs: named(&["nomad"]),
            copies: named(&["one", "other"]),
            hashes: ["0a", "1b", "2c"].map(|two| KeyHash(two.repeat(32))).into(),
        }
    }
}
