//! An algo's environment. Decides what of the TraderManager's own reaches it, and where each declared value comes
//! from at the start of a copy. What a reference leads to is held until the copy has been started and stands in no
//! file, log, argument or report: a failure names the variable and its reference, never what was found.

use crate::limits::FIND_WITHIN;
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};
use tradewind_domain::{
    control::trader::{EnvironmentValue, Reference},
    limits::VARIABLE_BYTES,
};

/// Where systemd puts credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

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

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("that is no reference")]
    NotAReference,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the TraderManager's environment has no such variable, or not as text")]
    NoVariable,
    #[error("systemd has passed no credentials: {CREDENTIALS} is not set")]
    NoCredentials,
    #[error("{0}")]
    Program(ExitStatus),
    #[error("it is empty")]
    Empty,
    #[error("it is larger than {VARIABLE_BYTES} bytes")]
    TooLarge,
    #[error("it is not text, or has a NUL in it")]
    NotText,
    #[error("not within {} s", FIND_WITHIN.as_secs())]
    Late,
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
                let looked = timeout(FIND_WITHIN, follow(reference)).await;
                looked.unwrap_or(Err(Why::Late)).map_err(|why| {
                    let (name, reference) = (name.clone(), reference.clone());
                    NotFound { name, reference, why }
                })?
            }
        };
        found.push((name.clone(), value));
    }
    Ok(found)
}

async fn follow(reference: &str) -> Result<String, Why> {
    match Reference::parse(reference).ok_or(Why::NotAReference)? {
        Reference::File(path) => of_file(Path::new(path)).await,
        Reference::Variable(name) => {
            text(env::var(name).map_err(|_| Why::NoVariable)?.into_bytes())
        }
        Reference::Program(line) => of_program(line).await,
        Reference::Credential(name) => {
            let directory = env::var_os(CREDENTIALS).ok_or(Why::NoCredentials)?;
            of_file(&PathBuf::from(directory).join(name)).await
        }
    }
}

async fn of_file(path: &Path) -> Result<String, Why> {
    text(read(File::open(path).await?).await?)
}

/// Without a shell: the words are what stands between blanks.
async fn of_program(line: &str) -> Result<String, Why> {
    let mut words = line.split_ascii_whitespace();
    let mut command = Command::new(words.next().ok_or(Why::NotAReference)?);
    command.args(words).env_clear().envs(inherited());
    // Its own words on standard error might tell what it knows.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let out = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    let said = read(out).await?;
    let status = child.wait().await?;
    if !status.success() {
        return Err(Why::Program(status));
    }
    text(said)
}

/// At most one byte more than is legal: that tells it.
async fn read(source: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(VARIABLE_BYTES as u64 + 3).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Without the end of its last line, which editors and programs add.
fn text(mut bytes: Vec<u8>) -> Result<String, Why> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.len() > VARIABLE_BYTES {
        return Err(Why::TooLarge);
    }
    if bytes.is_empty() {
        return Err(Why::Empty);
    }
    let text = String::from_utf8(bytes).map_err(|_| Why::NotText)?;
    if text.contains('\0') { Err(Why::NotText) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
