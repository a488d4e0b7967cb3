//! References to secrets, followed on the machine where they are needed: `file:`, `env:`, `exec:`, `credential:`. Decides
//! where each leads and what may be found there; which references are legal is decided in `domain`. What is found
//! stands in no file, log, argument or report.

use crate::limits::FIND_WITHIN;
use std::{
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
use tradewind_domain::{control::trader::Reference, limits::VARIABLE_BYTES};

/// Where systemd puts credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Why a reference leads to nothing. What was found is never told.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    #[error("that is no reference")]
    NotAReference,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("this process's environment has no such variable, or not as text")]
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

/// What it leads to now: text that is not empty. A program is given that environment and no other. May be cancelled.
pub async fn follow(
    reference: &str,
    environment: Vec<(OsString, OsString)>,
) -> Result<String, Why> {
    timeout(FIND_WITHIN, find(reference, environment)).await.unwrap_or(Err(Why::Late))
}

async fn find(reference: &str, environment: Vec<(OsString, OsString)>) -> Result<String, Why> {
    match Reference::parse(reference).ok_or(Why::NotAReference)? {
        Reference::File(path) => of_file(Path::new(path)).await,
        Reference::Variable(name) => {
            text(env::var(name).map_err(|_| Why::NoVariable)?.into_bytes())
        }
        Reference::Program(line) => of_program(line, environment).await,
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
async fn of_program(line: &str, environment: Vec<(OsString, OsString)>) -> Result<String, Why> {
    let mut words = line.split_ascii_whitespace();
    let mut command = Command::new(words.next().ok_or(Why::NotAReference)?);
    command.args(words).env_clear().envs(environment);
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
