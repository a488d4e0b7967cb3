//! `tradewind key`: a customer's API keys. Decides how a key is drawn and that it is shown once and kept nowhere; what
//! is sent is its hash.

use super::{Asker, WITHIN, contents, say, show, table, watch};
use crate::{
    cli::resource::{Format, KeyAction, Show},
    exit::Usage,
};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::Path;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{control::resource::Condition, ids::KeyHash};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, Stand},
    resources::{AddKey, KeyAdded, Page},
};

/// Random bytes of a key: nobody guesses it from its hash.
const KEY_BYTES: usize = 32;
/// A key of one's own is at least so long.
const KEY_LENGTH_MIN: usize = 16;

pub(super) async fn run(action: &KeyAction, stop: &CancellationToken) -> anyhow::Result<()> {
    match action {
        KeyAction::Add { customer, from, reason, whom } => {
            let asker = Asker::new(whom);
            let (secret, drawn) = match from {
                Some(file) => (own(file).await?, false),
                None => (draw()?, true),
            };
            let add = AddKey { key_hash: KeyHash::of(&secret) };
            let path = format!("/v1/customers/{customer}/keys");
            let terms = reason.terms(Condition::Always);
            let asked = asker.change(Method::POST, &path, &add, terms).await;
            let added: KeyAdded = asked.with_context(|| {
                format!(
                    "the key {} was not shown; see `tradewind key ls {customer}`",
                    add.key_hash.key_id()
                )
            })?;
            say(&told(whom.output, &added, drawn.then_some(secret.as_str())))
        }
        KeyAction::Ls { customer, show: Show { watch }, whom } => {
            let (asker, path) = (Asker::new(whom), format!("/v1/customers/{customer}/keys"));
            let keys: Page<Value> = asker.control.read(&path, WITHIN).await?;
            if *watch {
                return watched(&asker, &path, stop).await;
            }
            show(whom.output, &keys.items, table::KEYS)
        }
        KeyAction::Rm { customer, key_id, reason, whom } => {
            let asker = Asker::new(whom);
            let path = format!("/v1/customers/{customer}/keys/{key_id}");
            let terms = reason.terms(Condition::Always);
            let changed: Changed = asker.change(Method::DELETE, &path, &(), terms).await?;
            asker.told(&changed, || format!("the key {key_id} is removed\n"))
        }
    }
}

/// The keys of one customer, as they change; when he is gone he may come back.
async fn watched(asker: &Asker, path: &str, stop: &CancellationToken) -> anyhow::Result<()> {
    let now = async || Ok(asker.control.read::<Stand>("/v1/revision", WITHIN).await?.revision);
    let read = async || match asker.control.read::<Page<Value>>(path, WITHIN).await {
        Ok(keys) => Ok(Some((keys.stand.revision, Value::Array(keys.items)))),
        Err(Problem { code: Code::NotFound, .. }) => Ok(None),
        Err(problem) => Err(problem.into()),
    };
    let look = async || {
        let (at, found) = watch::one(&now, &read).await?;
        let keys = found.into_iter().flat_map(|all| match all {
            Value::Array(keys) => keys,
            other => vec![other],
        });
        Ok((at, keys.collect()))
    };
    watch::watch(asker, table::KEYS, stop, look).await
}

fn draw() -> anyhow::Result<String> {
    let mut bytes = [0_u8; KEY_BYTES];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(bytes.iter().fold("tw_".to_owned(), |key, byte| format!("{key}{byte:02x}")))
}

/// The key in a file, without the end of its line.
async fn own(file: &Path) -> anyhow::Result<String> {
    let text = contents(file).await?;
    let key = text.trim();
    let legal = key.len() >= KEY_LENGTH_MIN && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !legal {
        let usage = format!(
            "{}: a key has at least {KEY_LENGTH_MIN} printable ASCII characters, without blanks",
            file.display()
        );
        return Err(Usage(usage).into());
    }
    Ok(key.to_owned())
}

/// The id, and the key if nobody knows it yet.
fn told(output: Format, added: &KeyAdded, secret: Option<&str>) -> String {
    let KeyAdded { key_id, applied, .. } = added;
    match output {
        Format::Json | Format::Jsonl => {
            let mut told = json!({ "key_id": key_id, "applied": applied });
            if let Some(secret) = secret {
                told["key"] = secret.into();
            }
            format!("{told}\n")
        }
        Format::Table => match secret {
            Some(secret) => {
                format!("{secret}\nThis is the key {key_id}: keep it, it is shown once.\n")
            }
            None => format!("the key {key_id} is added\n"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_drawn_anew_and_good_in_a_header() {
        let (Ok(one), Ok(other)) = (draw(), draw()) else { panic!("no random bytes") };
        assert_ne!(one, other);
        assert_eq!(one.len(), 3 + 2 * KEY_BYTES);
        assert!(one.bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn a_key_of_ones_own_is_not_shown_again() {
        let key_id = "0123456789ab".to_owned();
        let added = KeyAdded { stand: Default::default(), applied: Default::default(), key_id };
        for output in [Format::Table, Format::Json, Format::Jsonl] {
            assert!(told(output, &added, Some("tw_1")).contains("tw_1"));
            assert!(!told(output, &added, None).contains("\"key\""));
        }
    }
}
