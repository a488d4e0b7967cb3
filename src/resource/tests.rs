//! Claims about files and conditions.
#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;
use tradewind_domain::control::row::{LocationSpec, MarketSpec};
use tradewind_protocol::resources::ExchangeDaysSpec;

async fn from(text: &str) -> anyhow::Result<(Value, Option<Revision>)> {
    let file =
        std::env::temp_dir().join(format!("tradewind-{}-{}", std::process::id(), text.len()));
    std::fs::write(&file, text).unwrap();
    let read = read(&file).await;
    std::fs::remove_file(&file).unwrap();
    read
}

#[tokio::test]
async fn a_file_in_toml_declares_what_one_in_json_does() {
    let (market, seen) =
        from("[[routes]]\ninstrument = \"BTC/USD\"\ndata_venue = \"sim\"\norder_venue = \"sim\"\n")
            .await
            .unwrap();
    assert_eq!(seen, None);
    assert_eq!(serde_json::from_value::<MarketSpec>(market.clone()).unwrap().routes.len(), 1);
    assert_eq!(from(&market.to_string()).await.unwrap(), (market, None));
    let (days, _) =
        from("[days]\n2026-12-24 = \"closed\"\n2026-11-27.early_close.at = \"13:00\"\n")
            .await
            .unwrap();
    assert_eq!(serde_json::from_value::<ExchangeDaysSpec>(days).unwrap().days.len(), 2);
    let hours = "[[after_hours]]\nafter_close = { exchange = \"XNYS\", offset_minutes = 15 }\n\
                 [[after_hours]]\ndaily.window = { from = \"01:00\", to = \"02:00\" }\n";
    let (hours, _) = from(hours).await.unwrap();
    assert_eq!(serde_json::from_value::<LocationSpec>(hours).unwrap().after_hours.len(), 2);
}

#[tokio::test]
async fn what_was_shown_is_declared_only_on_what_it_was_shown_as() {
    let shown = json!({"market": "m", "revision": 7, "spec": {"routes": []}});
    let (spec, seen) = from(&shown.to_string()).await.unwrap();
    assert_eq!((&spec, seen), (&json!({"routes": []}), Some(Revision(7))));
    let on = |if_match, create| On { if_match, create };
    assert_eq!(condition(&on(None, false), seen), Condition::At(Revision(7)));
    assert_eq!(condition(&on(Some(9), false), seen), Condition::At(Revision(9)));
    assert_eq!(condition(&on(None, true), seen), Condition::Absent);
    assert_eq!(condition(&on(None, false), None), Condition::Always);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_wrong_usage() {
    for bad in ["{", "routes = [", "not toml"] {
        assert!(from(bad).await.unwrap_err().is::<Usage>(), "{bad}");
    }
    assert!(read(Path::new("/nowhere/at/all.toml")).await.unwrap_err().is::<Usage>());
}
