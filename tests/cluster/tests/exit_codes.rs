//! What the program ends with, code by code, against members of the real binary: scripts go by it.
#![allow(clippy::unwrap_used)]

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    thread,
};
use tradewind_tests_cluster::{binary, members::Members, operator::Operator};

fn code(words: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(binary()).args(words).output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

/// Whoever asks there may not do it.
fn guarded() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let body = r#"{"type":"urn:tradewind:problem:forbidden","title":"Not allowed","status":403,
            "detail":"ask somebody who may","code":"forbidden","retry":"never"}"#;
        for mut socket in listener.incoming().flatten() {
            let mut asked = [0; 4_096];
            let _ = socket.read(&mut asked);
            let head = format!(
                "HTTP/1.1 403 Forbidden\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            let _ = socket.write_all((head + body).as_bytes());
        }
    });
    address
}

#[test]
fn each_exit_code_says_what_to_do_next() {
    // given
    let members = Members::three();
    let operator = Operator::of(&members);
    // 0: done
    operator.does("customer put acme --create");
    operator.does("wait leader");
    operator.does("wait customer bolt --for gone");
    // 1: understood and refused
    let said = operator.refused("risk put customer.acme --max-order-quantity 0", 1);
    assert!(said.contains("zero"), "{said}");
    // 2: not understood
    operator.refused("customer put acme --colour red", 2);
    operator.refused("events --kind drainde", 2);
    operator.refused("wait member 1 --for voters=3", 2);
    // 3: not there, or will never be so
    operator.refused("customer get nobody", 3);
    operator.refused("manager get a1.trader-manager", 3);
    operator.refused("wait trader nobody --for running", 3);
    operator.refused("wait implementation a1 --for drained", 3);
    operator.refused("wait member --for voters=5", 3);
    // 4: it is not as it was taken to be
    operator.refused("customer put acme --create", 4);
    operator.refused("customer rm acme --if-match 1", 4);
    // 5: nobody there who could tell
    let nobody = "127.0.0.1:1";
    assert_eq!(code(&["status", "--addr", nobody]).0, Some(5));
    assert_eq!(code(&["wait", "leader", "--timeout", "1s", "--addr", nobody]).0, Some(5));
    // 6: not known in time
    let said = operator.refused("wait manager a1.trader-manager --for live --timeout 500ms", 6);
    assert!(said.contains("not registered"), "{said}");
    // 7: not allowed
    let (code, said) = code(&["customer", "get", "acme", "--addr", &guarded()]);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("ask somebody who may"), "{said}");
}

#[test]
fn without_a_majority_there_is_no_leader_to_wait_for_and_with_it_there_is_one_again() {
    let mut members = Members::three();
    members.kill("1");
    members.kill("2");
    let operator = Operator::of(&members);
    operator.refused("wait leader --timeout 2s", 5);
    operator.refused("wait customer acme --timeout 2s", 5);
    drop(operator);
    members.start("1");
    let operator = Operator::of(&members);
    operator.does("wait leader --timeout 30s");
}
