//! Claims about programs of an operator: what is an answer, what is a failure, and that none outlives its deadline.
#![allow(clippy::unwrap_used)]

use super::*;
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};
use tempfile::TempDir;
use tradewind_protocol::scale::ProvisionOp;

struct Script {
    home: TempDir,
    path: PathBuf,
}

impl Script {
    fn of(body: &str) -> Self {
        let home = TempDir::new().unwrap();
        let path = home.path().join("script");
        let place = home.path().display();
        fs::write(&path, format!("#!/bin/sh\nHOME_DIR={place}\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { home, path }
    }

    async fn run(&self, deadline_seconds: u32) -> Result<(), String> {
        run(None, &self.path, &request(deadline_seconds)).await
    }

    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap_or_default()
    }
}

fn request(deadline_seconds: u32) -> ProgramRequest {
    ProgramRequest {
        version: PROGRAM_VERSION,
        op: ProvisionOp::Provision,
        request: tradewind_domain::ids::Epoch(7),
        cluster: "test".to_owned(),
        incarnation: tradewind_domain::ids::ClusterIncarnation(5),
        location: "here".parse().unwrap(),
        implementation: "scaled-7-0005".parse().unwrap(),
        join: vec!["127.0.0.1:1".to_owned()],
        arguments: [("size".to_owned(), "x".repeat(300_000))].into(),
        deadline_seconds,
    }
}

const YES: &str = r#"echo '{"version":1,"ok":true}'"#;

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn gone(pid: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while is_alive(pid) {
        assert!(Instant::now() < until, "process {pid} lives");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_program_is_told_the_whole_request_and_believed_when_it_says_yes() {
    let script = Script::of(&format!("cat > $HOME_DIR/told\n{YES}"));
    assert_eq!(script.run(10).await, Ok(()));
    let told: ProgramRequest = serde_json::from_str(&script.wrote("told")).unwrap();
    assert_eq!(told, request(10));
    // One that does not read is judged by its answer.
    assert_eq!(Script::of(YES).run(10).await, Ok(()));
}

#[tokio::test]
async fn whatever_is_no_yes_is_a_failure_that_says_what_it_was() {
    for (body, said) in [
        ("cat >/dev/null; echo no quota >&2; exit 3", vec!["exit status: 3", "no quota"]),
        (r#"echo '{"version":1,"ok":false,"why":"no quota"}'"#, vec!["no quota"]),
        (r#"echo '{"version":1,"ok":false}'"#, vec!["says no"]),
        (r#"echo '{"version":2,"ok":true}'"#, vec!["version 2"]),
        ("echo done", vec!["not as it must be"]),
        ("true", vec!["not as it must be"]),
        (r#"echo '{"version":1,"ok":true,"colour":"red"}'"#, vec!["colour"]),
        ("head -c 100000 /dev/zero", vec!["more than 65536 bytes"]),
        ("kill -9 $$", vec!["signal: 9"]),
    ] {
        let why = Script::of(body).run(10).await.unwrap_err();
        assert!(said.iter().all(|part| why.contains(part)), "{body}: {why}");
    }
    let long = Script::of("yes error | head -c 100000 >&2; exit 1").run(10).await.unwrap_err();
    assert!(long.len() < 2 * PROGRAM_SAID_BYTES, "{}", long.len());
    let missing = run(None, Path::new("/nowhere/at/all"), &request(1)).await.unwrap_err();
    assert!(missing.contains("cannot be started"), "{missing}");
}

#[tokio::test]
async fn one_that_hangs_is_killed_at_its_deadline_with_all_that_it_has_started() {
    let script = Script::of("sleep 1000 & echo $! > $HOME_DIR/child; echo waiting >&2; wait");
    let began = Instant::now();
    let why = script.run(1).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(why.contains("longer than 1s") && why.contains("waiting"), "{why}");
    gone(&script.wrote("child")).await;
}

#[tokio::test]
async fn one_that_is_called_off_is_killed_with_all_that_it_has_started() {
    let script = Script::of("sleep 1000 & echo $! > $HOME_DIR/child; wait");
    let called_off = timeout(Duration::from_millis(500), script.run(100)).await;
    assert!(called_off.is_err());
    gone(&script.wrote("child")).await;
}

#[tokio::test]
async fn what_a_program_leaves_running_is_its_own_affair_and_holds_nobody_up() {
    let script = Script::of(&format!("sleep 1000 & echo $! > $HOME_DIR/child; {YES}"));
    let began = Instant::now();
    assert_eq!(script.run(100).await, Ok(()));
    assert!(began.elapsed() < Duration::from_secs(10));
    let child = script.wrote("child");
    assert!(is_alive(&child));
    let pid = child.trim().parse().ok().and_then(Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
}
