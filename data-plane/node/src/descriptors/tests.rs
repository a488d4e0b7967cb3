//! What a Manager needs; and, for claims of other files, a process that is short of descriptors.

#![allow(clippy::unwrap_used)]
use super::*;
use std::{
    fs::File,
    os::fd::AsRawFd as _,
    process::{Command, Stdio},
};

#[test]
fn a_manager_needs_some_for_each_service_and_each_connection_that_it_takes() {
    let connections = |connections| listen::Limits { connections, ..Default::default() };
    let few = needed(0, &connections(10));
    assert_eq!(needed(0, &connections(4_010)), few + 4_000);
    assert_eq!(needed(500, &connections(10)), few + 500 * limits::DESCRIPTORS_PER_SERVICE);
    assert_eq!(needed(u32::MAX, &connections(usize::MAX)), u64::MAX);
}

/// Set in the process in which a claim is held.
const ALONE: &str = "TRADEWIND_TEST_ALONE";

/// Holds the claim `name` of `module` in a process of its own.
pub(crate) fn alone(module: &str, name: &str, claim: impl Future<Output = ()>) {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(claim);
    }
    let (_, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{name}"), "--nocapture"]).env(ALONE, "yes");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
}

/// While this is held, so many descriptors more can be opened by this process.
pub(crate) struct Shortage(Rlimit);

impl Shortage {
    pub(crate) fn leaving(free: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let taken: Vec<File> = (0..=free).map(|_| File::open("/dev/null").unwrap()).collect();
        let current = u64::try_from(taken.last().unwrap().as_raw_fd()).unwrap();
        let shortage = Self(before);
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..before }).unwrap();
        shortage
    }
}

impl Drop for Shortage {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

/// A process that does nothing, and is nobody's child any more when this one ends.
pub(crate) fn sleeping() -> Command {
    let mut sleep = Command::new("sleep");
    // One that a failed claim leaves behind must not hold the ends of what is read.
    sleep.arg("100").stdout(Stdio::null()).stderr(Stdio::null());
    sleep
}
