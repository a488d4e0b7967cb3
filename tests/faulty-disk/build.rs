//! Compiles the library for LD_PRELOAD. Decides nothing but the flags; a C compiler is what Rust needs for
//! linking anyway.

use std::{env, path::PathBuf, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=shim/faulty_disk.c");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let done = Command::new(&compiler)
        .args([
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "shim/faulty_disk.c",
            "-ldl",
        ])
        .arg("-o")
        .arg(out.join("faulty_disk.so"))
        .status();
    match done {
        Ok(status) if status.success() => {}
        other => panic!("{} did not compile shim/faulty_disk.c: {other:?}", compiler.display()),
    }
}
