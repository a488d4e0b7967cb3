//! An algo's environment. Decides what of the TraderManager's own reaches it, and where each declared value comes
//! from at the start of a copy. What a reference leads to is held until the copy has been started and stands in no
//! file, log, argument or report: a failure names the variable and its reference, never what was found.

use std::{collections::BTreeMap, env, ffi::OsString};
use tradewind_domain::control::trader::EnvironmentValue;
use tradewind_node::reference::{self, Why};

/// Of the TraderManager's environment an algo has only these and `LC_*`: what one customer's references lead to is
/// not to reach the others' algos, nor what Tradewind's own processes prove themselves with.
const INHERITED: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "TZ",
    "TMPDIR",
    "RUST_LOG",
    "RUST_BACKTRACE",
    // Of those who try things out: where a session's history goes, how much is logged, what ends with a demo.
    "TRADEWIND_HISTORY",
    "TRADEWIND_LOG",
    "TRADEWIND_UNTIL_STDIN_CLOSES",
];

/// Why a copy cannot be started: a value was not found.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not found at {reference}: {why}")]
pub(crate) struct NotFound {
    name: String,
    reference: String,
    #[source]
    why: Why,
}

/// What is taken over of the environment of this process.
pub(crate) fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_inherited))
}

fn is_inherited(name: &str) -> bool {
    name.starts_with("LC_") || INHERITED.contains(&name)
}

/// All declared values, as they are found now. May be cancelled.
pub(crate) async fn find(
    declared: &BTreeMap<String, EnvironmentValue>,
) -> Result<Vec<(String, String)>, NotFound> {
    let mut found = Vec::with_capacity(declared.len());
    for (name, value) in declared {
        let value = match value {
            EnvironmentValue::Value(text) => text.clone(),
            EnvironmentValue::From(reference) => {
                reference::follow(reference, inherited().collect()).await.map_err(|why| {
                    let (name, reference) = (name.clone(), reference.clone());
                    NotFound { name, reference, why }
                })?
            }
        };
        found.push((name.clone(), value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::limits::VARIABLE_BYTES;

    async fn found(reference: &str) -> Result<String, String> {
        let declared = [("KEY".to_owned(), EnvironmentValue::From(reference.to_owned()))].into();
        let found = find(&declared).await.map_err(|error| error.to_string())?;
        Ok(found[0].1.clone())
    }

    #[tokio::test]
    async fn references_lead_to_a_file_a_variable_and_what_a_program_says() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "s3cret\n").unwrap();
        assert_eq!(found(&format!("file:{}", file.display())).await, Ok("s3cret".to_owned()));
        assert_eq!(found("env:PATH").await, Ok(env::var("PATH").unwrap()));
        assert_eq!(found("exec:/bin/echo a b").await, Ok("a b".to_owned()));
    }

    #[tokio::test]
    async fn what_is_not_found_is_told_without_what_was_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let reference = format!("file:{}", file.display());
        let missing = found(&reference).await.unwrap_err();
        assert!(missing.contains("KEY") && missing.contains(&reference), "{missing}");
        for (bytes, word) in [
            ("x".repeat(VARIABLE_BYTES + 1).into_bytes(), "larger"),
            (b"s3cret\0more".to_vec(), "NUL"),
            (b"s3cret\xff".to_vec(), "not text"),
            (b"\n".to_vec(), "empty"),
        ] {
            std::fs::write(&file, bytes).unwrap();
            let said = found(&reference).await.unwrap_err();
            assert!(said.contains(word) && !said.contains("s3cret"), "{said}");
        }
        let failed = found("exec:/bin/sh -c exit").await;
        assert!(failed.unwrap_err().contains("empty"));
        let failed = found("exec:/bin/cat /nowhere/at/all").await.unwrap_err();
        assert!(failed.contains("exit status: 1"), "{failed}");
        assert!(found("credential:key").await.unwrap_err().contains("systemd"));
        assert!(found("env:TRADEWIND_SERVICE_TOKEN").await.unwrap_err().contains("no reference"));
    }

    #[test]
    fn of_the_managers_environment_only_what_everybody_may_have_is_passed_on() {
        for name in ["PATH", "LC_ALL", "TRADEWIND_LOG"] {
            assert!(is_inherited(name), "{name}");
        }
        for name in
            ["NEWS_KEY", "CREDENTIALS_DIRECTORY", "TRADEWIND_SERVICE_TOKEN", "TRADEWIND_API_KEY"]
        {
            assert!(!is_inherited(name), "{name}");
        }
    }
}
