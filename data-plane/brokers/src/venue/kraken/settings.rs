//! What an account at Kraken is declared with, in its `endpoint`: words of the form `NAME=VALUE`. Decides which there
//! are and what they are without being named. Secrets are references, never values; what they lead to is found where
//! the Broker runs.
//!
//! ```text
//! key=file:/etc/tradewind/kraken.key secret=file:/etc/tradewind/kraken.secret tier=pro
//! ```

use super::super::dial::{Address, BadAddress};
use crate::limits::{CONNECT_SHARES, ORDER_DIALS};
use std::str::FromStr;
use tradewind_domain::control::trader::Reference;
use tradewind_kraken::{
    limits::{CONNECT_WINDOW, CONNECTS},
    rate::Tier,
};
use tradewind_protocol::asks::ConnectsAllowed;

/// What all Brokers behind one address allow themselves.
const CONNECTS_ALLOWED: ConnectsAllowed =
    ConnectsAllowed { connects: CONNECTS, within_ms: CONNECT_WINDOW.as_secs() * 1_000 };
/// Each Broker has a quarter: an order session takes two of that, and as much is left for feeds.
const CONNECTS_LEAST: u32 = 16;
const _: () = assert!(CONNECTS_LEAST >= CONNECT_SHARES * 2 * ORDER_DIALS);
const REST: &str = "https://api.kraken.com";
const PUBLIC: &str = "wss://ws.kraken.com/v2";
const PRIVATE: &str = "wss://ws-auth.kraken.com/v2";

/// By which of Kraken's interfaces orders go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrdersBy {
    WebSocket,
    Rest,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub urls: Urls,
    /// None: public data alone, no orders.
    pub key: Option<KeyReferences>,
    pub tier: Tier,
    pub orders: OrdersBy,
    /// How often Kraken may be connected to from this machine.
    pub connects: ConnectsAllowed,
}

/// References to the two halves of an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReferences {
    pub key: String,
    pub secret: String,
}

/// Where Kraken is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    pub rest: Address,
    pub public: Address,
    pub private: Address,
}

/// Why an `endpoint` is none of Kraken's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    #[error(
        "`{0}` is not known: an account at Kraken has key=REFERENCE secret=REFERENCE and, if need be, url=, rest=, \
         public=, private=, tier=starter|intermediate|pro, orders=websocket|rest, connects=NUMBER; or data=only, and no key"
    )]
    Unknown(String),
    #[error("connects={0}: in ten minutes {least} to {most}", least = CONNECTS_LEAST, most = CONNECTS)]
    Connects(String),
    #[error("`{0}` stands there twice")]
    Twice(String),
    #[error(
        "{0}= is missing: where that half of the API key is found, such as file:/PATH or env:NAME"
    )]
    Missing(&'static str),
    #[error(
        "{0}= is no reference: such as file:/PATH or env:NAME on the Broker's machine. If it was the secret itself, \
         make a new API key: what is declared is kept"
    )]
    NoReference(&'static str),
    #[error(transparent)]
    Address(#[from] BadAddress),
}

impl Urls {
    /// Kraken itself.
    pub fn kraken() -> Result<Self, BadAddress> {
        Ok(Self { rest: REST.parse()?, public: PUBLIC.parse()?, private: PRIVATE.parse()? })
    }

    /// One server for all, as the simulator is: REST at that URL, the WebSocket at its `/v2`.
    pub fn at(url: &str) -> Result<Self, BadAddress> {
        let rest: Address = url.parse()?;
        let websocket = rest.at("/v2");
        Ok(Self { rest, public: websocket.clone(), private: websocket })
    }
}

impl FromStr for Settings {
    type Err = BadSettings;

    fn from_str(text: &str) -> Result<Self, BadSettings> {
        let mut words = Words::read(text)?;
        let mut urls = match words.take("url") {
            Some(url) => Urls::at(url)?,
            None => Urls::kraken()?,
        };
        for (name, address) in
            [("rest", &mut urls.rest), ("public", &mut urls.public), ("private", &mut urls.private)]
        {
            if let Some(text) = words.take(name) {
                *address = text.parse()?;
            }
        }
        let key = match words.take("data") {
            Some("only") => None,
            Some(other) => return Err(BadSettings::Unknown(format!("data={other}"))),
            None => Some(KeyReferences {
                key: words.reference("key")?,
                secret: words.reference("secret")?,
            }),
        };
        let tier = match words.take("tier") {
            None | Some("starter") => Tier::Starter,
            Some("intermediate") => Tier::Intermediate,
            Some("pro") => Tier::Pro,
            Some(other) => return Err(BadSettings::Unknown(format!("tier={other}"))),
        };
        let orders = match words.take("orders") {
            None | Some("websocket") => OrdersBy::WebSocket,
            Some("rest") => OrdersBy::Rest,
            Some(other) => return Err(BadSettings::Unknown(format!("orders={other}"))),
        };
        let connects = words.take("connects").map_or(Ok(CONNECTS_ALLOWED), connects)?;
        words.end()?;
        Ok(Self { urls, key, tier, orders, connects })
    }
}

/// This machine's part of what an address may open.
fn connects(text: &str) -> Result<ConnectsAllowed, BadSettings> {
    let number = text.parse().ok();
    let number = number.filter(|n| (CONNECTS_LEAST..=CONNECTS_ALLOWED.connects).contains(n));
    let connects = number.ok_or_else(|| BadSettings::Connects(text.to_owned()))?;
    Ok(ConnectsAllowed { connects, ..CONNECTS_ALLOWED })
}

struct Words<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Words<'a> {
    fn read(text: &'a str) -> Result<Self, BadSettings> {
        let mut words: Vec<(&str, &str)> = Vec::new();
        for word in text.split_ascii_whitespace() {
            // A word without a name may be a secret: it is not told.
            let unnamed = || BadSettings::Unknown("a word without =".to_owned());
            let (name, value) = word.split_once('=').ok_or_else(unnamed)?;
            if words.iter().any(|(known, _)| *known == name) {
                return Err(BadSettings::Twice(name.to_owned()));
            }
            words.push((name, value));
        }
        Ok(Self(words))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let place = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(place).1)
    }

    fn reference(&mut self, name: &'static str) -> Result<String, BadSettings> {
        let text = self.take(name).ok_or(BadSettings::Missing(name))?;
        Reference::parse(text).ok_or(BadSettings::NoReference(name)).map(|_| text.to_owned())
    }

    fn end(self) -> Result<(), BadSettings> {
        match self.0.first() {
            Some((name, _)) => Err(BadSettings::Unknown((*name).to_owned())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEYS: &str = "key=file:/k secret=env:SECRET";

    fn read(text: &str) -> Result<Settings, BadSettings> {
        text.parse()
    }

    #[test]
    fn without_urls_it_is_kraken_itself_and_encrypted() {
        let settings = read(KEYS).unwrap();
        assert_eq!(settings.urls, Urls::kraken().unwrap());
        assert!(settings.urls.rest.is_secure() && settings.urls.private.is_secure());
        assert_eq!((settings.tier, settings.orders), (Tier::Starter, OrdersBy::WebSocket));
        let keys = settings.key.unwrap();
        assert_eq!((keys.key.as_str(), keys.secret.as_str()), ("file:/k", "env:SECRET"));
        assert_eq!(read("data=only").unwrap().key, None);
        assert!(read(&format!("data=only {KEYS}")).is_err());
    }

    #[test]
    fn one_url_is_for_all_and_each_can_be_named() {
        let sim = read(&format!("{KEYS} url=http://127.0.0.1:4301 tier=pro orders=rest")).unwrap();
        assert_eq!(sim.urls.rest.to_string(), "127.0.0.1:4301");
        assert_eq!(sim.urls.public.to_string(), "127.0.0.1:4301/v2");
        assert_eq!((sim.tier, sim.orders), (Tier::Pro, OrdersBy::Rest));
        assert_eq!(sim.connects, CONNECTS_ALLOWED);
        let part = read(&format!("{KEYS} connects=40")).unwrap().connects;
        assert_eq!(part, ConnectsAllowed { connects: 40, within_ms: 600_000 });
        let beta = read(&format!("{KEYS} public=wss://beta-ws.kraken.com/v2")).unwrap();
        assert_eq!(beta.urls.public.to_string(), "beta-ws.kraken.com/v2");
        assert_eq!(beta.urls.private, Urls::kraken().unwrap().private);
    }

    #[test]
    fn what_is_wrong_is_told_and_a_secret_is_not() {
        assert_eq!(read("key=file:/k"), Err(BadSettings::Missing("secret")));
        for text in ["key=s3cret secret=file:/s", "s3cret", "key=env:K secret=s3cret"] {
            let said = read(text).unwrap_err().to_string();
            assert!(!said.contains("s3cret"), "{said}");
        }
        assert!(read("").is_err());
        let plain = read(&format!("{KEYS} url=http://api.kraken.com")).unwrap_err();
        assert!(plain.to_string().contains("not encrypted"), "{plain}");
        let refused = ["tier=gold", "orders=fix", "depth=10", "key=env:K"];
        assert!(read(&format!("{KEYS} connects=16")).is_ok());
        for word in refused.into_iter().chain(["connects=15", "connects=121", "connects=all"]) {
            assert!(read(&format!("{KEYS} {word}")).is_err(), "{word}");
        }
    }
}
