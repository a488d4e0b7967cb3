//! One run of an operator's program: a request on its standard input, an answer on its standard output, within a
//! deadline. Decides when it has failed and what is said of it: by its exit code, by its own word, or because its
//! time was over, and then its whole process group is killed. What it leaves running when it ends in time is its
//! own affair.

use crate::limits::{PROGRAM_ANSWER_BYTES, PROGRAM_SAID_BYTES, PROGRAM_STREAMS_WITHIN};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::VecDeque,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::{Instant, sleep_until, timeout},
};
use tradewind_protocol::scale::{PROGRAM_VERSION, ProgramAnswer, ProgramRequest};

/// Set by who started this member; whoever it starts is not to end with its standard input.
pub(super) const UNTIL_STDIN_CLOSES: &str = "TRADEWIND_UNTIL_STDIN_CLOSES";

/// Cancelled, its process group is killed.
pub(super) async fn run(
    leash: Option<&Path>,
    program: &Path,
    request: &ProgramRequest,
) -> Result<(), String> {
    let named = program.display();
    let input = serde_json::to_vec(request).map_err(|error| format!("the request: {error}"))?;
    let mut command = match leash {
        Some(leash) => {
            let mut command = Command::new(leash);
            command.arg("exec").arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove(UNTIL_STDIN_CLOSES)
        .process_group(0)
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| format!("{named} cannot be started: {error}"))?;
    let mut run = Run { group: Group::of(&child), child, said: Tail::default() };
    let deadline = Duration::from_secs(request.deadline_seconds.into());
    let ended = timeout(deadline, run.until_its_end(&input)).await;
    let Ok(ended) = ended else {
        let said = run.said.text();
        // Dropped, its group is killed.
        drop(run);
        return Err(format!("{named} was killed: it took longer than {deadline:?}{said}"));
    };
    let (status, answer) = ended.map_err(|why| format!("{named}: {why}"))?;
    judged(status, &answer).map_err(|why| format!("{named}: {why}{}", run.said.text()))
}

fn judged(status: ExitStatus, answer: &[u8]) -> Result<(), String> {
    if !status.success() {
        return Err(status.to_string());
    }
    let answer: ProgramAnswer = serde_json::from_slice(answer)
        .map_err(|error| format!("its answer is not as it must be: {error}"))?;
    match answer {
        ProgramAnswer { version, .. } if version != PROGRAM_VERSION => {
            Err(format!("it answers in version {version}, this is version {PROGRAM_VERSION}"))
        }
        ProgramAnswer { ok: true, .. } => Ok(()),
        ProgramAnswer { ok: false, why, .. } => {
            Err(why.unwrap_or_else(|| "it says no, and not why".to_owned()))
        }
    }
}

/// A process group whose first process has not been waited for: its number is no other group's.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Refused only if nothing of it is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The group before the child: it is killed before anything of it is waited for.
struct Run {
    group: Group,
    child: Child,
    said: Tail,
}

impl Run {
    /// How it ended, and its answer.
    async fn until_its_end(&mut self, input: &[u8]) -> Result<(ExitStatus, Vec<u8>), String> {
        let (mut stdin, mut stdout, mut stderr) =
            (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let mut answer = Vec::new();
        let (mut out, mut err) = ([0_u8; 4_096], [0_u8; 4_096]);
        let mut left = input;
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            let patience = ended.map_or_else(Instant::now, |(_, until)| until);
            tokio::select! {
                written = write(&mut stdin, left), if stdin.is_some() => match written {
                    Ok(count) if count < left.len() => left = &left[count..],
                    // All of it, or it reads no more: then it is judged by what it says.
                    Ok(_) | Err(_) => stdin = None,
                },
                count = read(&mut stdout, &mut out), if stdout.is_some() => match count {
                    0 => stdout = None,
                    count if answer.len() + count > PROGRAM_ANSWER_BYTES => {
                        return Err(format!("its answer has more than {PROGRAM_ANSWER_BYTES} bytes"));
                    }
                    count => answer.extend_from_slice(&out[..count]),
                },
                count = read(&mut stderr, &mut err), if stderr.is_some() => match count {
                    0 => stderr = None,
                    count => self.said.add(&err[..count]),
                },
                status = self.child.wait(), if ended.is_none() => {
                    // What it has started may have its streams and live on.
                    self.group.0 = None;
                    let status = status.map_err(|error| error.to_string())?;
                    ended = Some((status, Instant::now() + PROGRAM_STREAMS_WITHIN));
                },
                () = sleep_until(patience), if ended.is_some() => (stdout, stderr) = (None, None),
            }
            if let Some((status, _)) = ended.filter(|_| stdout.is_none() && stderr.is_none()) {
                return Ok((status, answer));
            }
        }
    }
}

async fn write(
    stdin: &mut Option<tokio::process::ChildStdin>,
    left: &[u8],
) -> std::io::Result<usize> {
    match stdin {
        Some(stdin) => stdin.write(left).await,
        None => Ok(0),
    }
}

/// None are left where it cannot be read.
async fn read<R: AsyncRead + Unpin>(from: &mut Option<R>, into: &mut [u8]) -> usize {
    match from {
        Some(from) => from.read(into).await.unwrap_or(0),
        None => 0,
    }
}

/// The last of what was said.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let over = self.0.len().saturating_sub(PROGRAM_SAID_BYTES);
        self.0.drain(..over);
    }

    fn text(&mut self) -> String {
        let text = String::from_utf8_lossy(self.0.make_contiguous());
        let text = text.trim();
        if text.is_empty() { String::new() } else { format!("; it said: {text}") }
    }
}

#[cfg(test)]
mod tests;
