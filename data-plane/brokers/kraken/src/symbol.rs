//! Names of assets and pairs. Decides how Kraken's three names of a pair (the key `XXBTZUSD`, the altname
//! `XBTUSD`, the wsname `XBT/USD`) and its old names of assets become an instrument (`BTC/USD`), and back.
//! The WebSocket v2 symbol of a pair is the instrument's name.

use std::collections::BTreeMap;

use tradewind_domain::ids::InstrumentId;

/// Assets that REST still calls by a name with a class in front. No rule does it: `ZETA` is no old name.
const OLD_ASSETS: [(&str, &str); 17] = [
    ("XXBT", "XBT"),
    ("XETH", "ETH"),
    ("XLTC", "LTC"),
    ("XXRP", "XRP"),
    ("XXLM", "XLM"),
    ("XXMR", "XMR"),
    ("XZEC", "ZEC"),
    ("XETC", "ETC"),
    ("XREP", "REP"),
    ("XMLN", "MLN"),
    ("XXDG", "XDG"),
    ("ZUSD", "USD"),
    ("ZEUR", "EUR"),
    ("ZGBP", "GBP"),
    ("ZCAD", "CAD"),
    ("ZJPY", "JPY"),
    ("ZAUD", "AUD"),
];

/// Kraken's own names for assets that everybody else, and its WebSocket v2, calls differently.
const OWN_ASSETS: [(&str, &str); 2] = [("XBT", "BTC"), ("XDG", "DOGE")];

/// The asset's name here: `BTC` for `XXBT` and `XBT`.
#[must_use]
pub fn asset(kraken: &str) -> &str {
    let plain = OLD_ASSETS.iter().find(|(old, _)| *old == kraken).map_or(kraken, |(_, new)| new);
    OWN_ASSETS.iter().find(|(own, _)| *own == plain).map_or(plain, |(_, name)| name)
}

/// The name by which REST keys the asset: `XXBT` for `BTC`.
#[must_use]
pub fn rest_asset(asset: &str) -> &str {
    let own = OWN_ASSETS.iter().find(|(_, name)| *name == asset).map_or(asset, |(own, _)| own);
    OLD_ASSETS.iter().find(|(_, new)| *new == own).map_or(own, |(old, _)| old)
}

/// The instrument of a wsname or WebSocket symbol: `BTC/USD` for `XBT/USD`.
#[must_use]
pub fn instrument(slashed: &str) -> Option<InstrumentId> {
    let (base, quote) = slashed.split_once('/')?;
    InstrumentId::new(&format!("{}/{}", asset(base), asset(quote))).ok()
}

/// The three names of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Key of `AssetPairs`: `XXBTZUSD`.
    pub key: String,
    /// `XBTUSD`; the one that is sent.
    pub altname: String,
    /// `XBT/USD`.
    pub wsname: String,
}

/// The pairs that the venue has told of, by all their names.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    by_instrument: BTreeMap<InstrumentId, Names>,
    by_name: BTreeMap<String, InstrumentId>,
}

impl Pairs {
    /// Takes a pair in. Its instrument; none if its wsname is no name of a pair.
    pub fn insert(&mut self, names: Names) -> Option<InstrumentId> {
        let instrument = instrument(&names.wsname)?;
        for name in [&names.key, &names.altname, &names.wsname] {
            self.by_name.insert(name.clone(), instrument.clone());
        }
        self.by_name.insert(instrument.as_str().to_owned(), instrument.clone());
        self.by_instrument.insert(instrument.clone(), names);
        Some(instrument)
    }

    /// The instrument of any of a pair's names, the slashed one of either kind included.
    #[must_use]
    pub fn instrument(&self, name: &str) -> Option<&InstrumentId> {
        self.by_name.get(name).or_else(|| {
            let slashed = instrument(name)?;
            self.by_instrument.get_key_value(&slashed).map(|(known, _)| known)
        })
    }

    /// The names of an instrument.
    #[must_use]
    pub fn names(&self, instrument: &InstrumentId) -> Option<&Names> {
        self.by_instrument.get(instrument)
    }

    /// All of them.
    pub fn instruments(&self) -> impl Iterator<Item = &InstrumentId> {
        self.by_instrument.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_have_one_name_here_and_their_own_at_kraken() {
        let table = [
            ("XXBT", "BTC"),
            ("ZUSD", "USD"),
            ("XETH", "ETH"),
            ("XXDG", "DOGE"),
            ("ZEUR", "EUR"),
            ("USDT", "USDT"),
            ("ZETA", "ZETA"),
            ("XTZ", "XTZ"),
            ("ALGO", "ALGO"),
        ];
        for (kraken, ours) in table {
            assert_eq!(asset(kraken), ours);
            assert_eq!(rest_asset(ours), kraken);
        }
        assert_eq!((asset("XBT"), asset("XDG")), ("BTC", "DOGE"));
    }

    #[test]
    fn every_name_of_a_pair_leads_to_its_instrument_and_back() {
        let mut pairs = Pairs::default();
        let table = [
            ("XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD"),
            ("XXBTZEUR", "XBTEUR", "XBT/EUR", "BTC/EUR"),
            ("XBTUSDT", "XBTUSDT", "XBT/USDT", "BTC/USDT"),
            ("XETHXXBT", "ETHXBT", "ETH/XBT", "ETH/BTC"),
            ("XDGUSD", "XDGUSD", "XDG/USD", "DOGE/USD"),
            ("ALGOUSD", "ALGOUSD", "ALGO/USD", "ALGO/USD"),
        ];
        for (key, altname, wsname, ours) in table {
            let names = Names { key: key.into(), altname: altname.into(), wsname: wsname.into() };
            let instrument = pairs.insert(names.clone()).unwrap();
            assert_eq!(instrument.as_str(), ours);
            assert_eq!(pairs.names(&instrument), Some(&names));
        }
        for (key, altname, wsname, ours) in table {
            for name in [key, altname, wsname, ours] {
                assert_eq!(pairs.instrument(name).map(InstrumentId::as_str), Some(ours), "{name}");
            }
        }
        assert_eq!(pairs.instrument("XBT/JPY"), None);
        assert_eq!(pairs.instrument("nonsense"), None);
    }
}
