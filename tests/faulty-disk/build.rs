//! Compiles the library for LD_PRELOAD and the program that cuts the power of a file system. Decides nothing
//! but the flags; a C compiler is what Rust needs for linking anyway.

use std::{env, path::PathBuf, process::Command};

fn main() {
    compile("faulty_disk.c", "faulty_disk.so", &["-shared", "-fPIC", "-ldl"]);
    compile("power_off.c", "power_off", &[]);
}

fn compile(source: &str, made: &str, flags: &[&str]) {
    let source = format!("shim/{source}");
    println!("cargo:rerun-if-changed={source}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let done = Command::new(&compiler)
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(out.join(made))
        .arg(&source)
        .args(flags)
        .status();
    match done {
        Ok(status) if status.success() => {}
        other => panic!("{} did not compile {source}: {other:?}", compiler.display()),
    }
}
