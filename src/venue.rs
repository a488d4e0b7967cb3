//! `tradewind venue check`: a look at a venue from this machine. Decides how what was seen is shown and that a look that
//! did not go well ends with exit code 1; what is looked at stands with the adapter.

use crate::{
    cli::{
        Format,
        venue::{CheckedVenue, VenueAction, VenueArgs},
    },
    exit::Usage,
    resource::say,
};
use std::process::ExitCode;
use tradewind_brokers::venue::kraken::{
    check::{self, Seen},
    settings::Urls,
};

pub(crate) async fn run(args: &VenueArgs) -> anyhow::Result<ExitCode> {
    let VenueAction::Check { venue, url, instrument, output, .. } = &args.action;
    let urls = match (venue, url) {
        (CheckedVenue::Kraken, None) => Urls::kraken(),
        (CheckedVenue::Kraken, Some(url)) => Urls::at(url),
    };
    let urls = urls.map_err(|why| Usage(format!("--url: {why}")))?;
    let seen = check::public(&urls, instrument.clone()).await;
    say(&match output {
        Format::Table => table(&seen),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&seen)?),
        Format::Jsonl => format!("{}\n", serde_json::to_string(&seen)?),
    })?;
    Ok(if seen.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(seen: &Seen) -> String {
    let mut text = format!("REST       {}\n", seen.rest);
    if let Some(took) = seen.call_ms {
        let ahead = seen.clock_ahead_s.unwrap_or_default();
        text += &format!("           reached in {took} ms; its clock is {ahead} s ahead of ours\n");
    }
    if let Some(status) = &seen.status {
        text += &format!("           its engine: {status}\n");
    }
    text += &format!("WebSocket  {}\n", seen.websocket);
    if let Some(pairs) = seen.pairs {
        text += &format!("           {pairs} pairs\n");
    }
    if let Some(quote) = &seen.quote {
        let shown = |price: Option<_>| {
            price.map_or("-".to_owned(), |price: tradewind_domain::money::Price| price.to_string())
        };
        text += &format!(
            "           {} {} / {}, {} messages of its book proven by their checksums\n",
            seen.instrument,
            shown(quote.bid),
            shown(quote.ask),
            seen.proven
        );
    }
    match &seen.problem {
        Some(problem) => text += &format!("problem    {problem}\n"),
        None => text += "all is well\n",
    }
    text
}
