//! However a demo ends, no process and no file is left.
#![allow(clippy::unwrap_used)]

use rustix::{
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    process::Stdio,
    time::Duration,
};
use tradewind_tests_cluster::{Demo, eventually};

fn started(demo: &Demo) {
    eventually("the Trader runs", Duration::from_secs(30), || {
        !demo.processes_of("sample-algo").is_empty()
    });
}

#[test]
fn nothing_is_left_after_the_time_is_over() {
    Demo::start(&["--for", "3s"], Stdio::null(), Stdio::null()).ends_and_leaves_nothing();
}

#[test]
fn nothing_is_left_after_a_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let demo = Demo::start(&[], Stdio::null(), Stdio::null());
        started(&demo);
        demo.signal(signal);
        demo.ends_and_leaves_nothing();
    }
}

#[test]
fn nothing_is_left_after_a_signal_during_the_start() {
    let demo = Demo::start(&[], Stdio::null(), Stdio::null());
    eventually("a member runs", Duration::from_secs(10), || !demo.processes_of("infra").is_empty());
    demo.signal(Signal::INT);
    demo.ends_and_leaves_nothing();
}

#[test]
fn nothing_is_left_after_the_demo_panics() {
    // Its standard output is gone before the first line: printing panics, and all is unwound.
    let mut demo = Demo::start(&["--for", "60s"], Stdio::null(), Stdio::piped());
    drop(demo.child.stdout.take());
    demo.ends_and_leaves_nothing();
}

#[test]
fn no_process_is_left_after_the_demo_itself_is_killed() {
    let demo = Demo::start(&[], Stdio::null(), Stdio::null());
    started(&demo);
    demo.signal(Signal::KILL);
    eventually("no process is left", Duration::from_secs(20), || demo.processes().is_empty());
}

#[test]
fn nothing_is_left_after_q_and_the_terminal_is_as_before() {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let side = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let before = rustix::termios::tcgetattr(&side).unwrap().local_modes;
    let stdin = Stdio::from(side.try_clone().unwrap());
    let mut demo = Demo::start(&[], stdin, Stdio::piped());
    let mut output = demo.child.stdout.take().unwrap();
    let mut seen = String::new();
    let mut bytes = [0_u8; 1_024];
    while !seen.contains("q = quit") {
        let read = output.read(&mut bytes).unwrap();
        assert!(read > 0, "the demo ended before it took keys:\n{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    File::from(terminal.try_clone().unwrap()).write_all(b"q").unwrap();
    // What it prints at the end must have somewhere to go.
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        output.read_to_string(&mut rest).map(|_| rest)
    });
    demo.ends_and_leaves_nothing();
    let rest = rest.join().unwrap().unwrap();
    assert!(rest.contains("all is well"), "{rest}");
    assert_eq!(rustix::termios::tcgetattr(&side).unwrap().local_modes, before);
}
