//! The members' whole states beside each other, as `GET /v1/state?consistency=stale` tells them. Decides what counts as
//! the same: at one revision one hash, which stands for every row, and the same rows as far as they are told. Their
//! hash is kept from command to command; a row that went without it shows among the rows.

use crate::{eventually_async, group::Group};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Mutex, time::Duration};
use tradewind_domain::{control::StateHash, ids::Revision};
use tradewind_link::rest::{Method, Rest};

const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// The first line; who leads and how old the answer is are no part of the state.
#[derive(Deserialize)]
struct Head {
    revision: Revision,
    hash: StateHash,
}

struct State {
    hash: StateHash,
    rows: String,
}

/// By revision and member, whatever was told.
#[derive(Default)]
struct States(BTreeMap<Revision, BTreeMap<u64, State>>);

impl States {
    fn hear(&mut self, node: u64, answer: &str) {
        let (head, rows) = answer.split_once('\n').unwrap();
        let Head { revision, hash } = serde_json::from_str(head).unwrap();
        let end = rows.lines().last().unwrap_or_default();
        assert!(
            end.starts_with(r#"{"end":"#),
            "member {node} has not told all of its state: {end}"
        );
        let rows = rows.to_owned();
        self.0.entry(revision).or_default().insert(node, State { hash, rows });
    }

    /// A revision that so many members have told of. Fails the test where two differ.
    fn compared(&self, members: usize) -> Option<Revision> {
        for (revision, told) in &self.0 {
            let mut told = told.iter();
            let Some((first, one)) = told.next() else { continue };
            for (node, other) in told {
                let (found, wanted) = (other.hash, one.hash);
                assert_eq!(found, wanted, "states of {first} and {node} at revision {revision}");
                let mut lines = one.rows.lines().zip(other.rows.lines());
                let difference = lines.find(|(one, other)| one != other);
                assert!(
                    one.rows == other.rows,
                    "states of {first} and {node} at revision {revision}: {difference:?}"
                );
            }
        }
        let all = |told: &BTreeMap<u64, State>| told.len() == members;
        self.0.iter().find(|(_, told)| all(told)).map(|(revision, _)| *revision)
    }
}

/// Waits until all members have told of their states at one revision; requires that they are the same.
pub async fn all_same(group: &Group, within: Duration) -> Revision {
    let states = Mutex::new(States::default());
    let nodes: Vec<(u64, String)> =
        group.members.iter().map(|member| (member.node, member.api.to_string())).collect();
    let ask = async || {
        for (node, address) in &nodes {
            if let Some(answer) = told_by(address).await {
                states.lock().unwrap().hear(*node, &answer);
            }
        }
        states.lock().unwrap().compared(nodes.len()).is_some()
    };
    eventually_async("states of one revision", within, ask).await;
    states.into_inner().unwrap().compared(nodes.len()).unwrap()
}

async fn told_by(address: &str) -> Option<String> {
    let (rest, path) = (Rest::default(), "/v1/state?consistency=stale");
    let none = HeaderMap::new();
    let asked = rest.raw(Method::GET, address, path, none, Vec::new().into(), ASKED_WITHIN).await;
    let (status, _, body) = asked.ok()?;
    status.is_success().then(|| String::from_utf8(body.to_vec()).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    /// Stands in for a member: gives the same answer to everybody.
    async fn planted(group: &Group, node: u64, answer: String) {
        let member = group.members.iter().find(|member| member.node == node).unwrap();
        let door = TcpListener::bind(member.api).await.unwrap();
        tokio::spawn(async move {
            loop {
                let (mut caller, _) = door.accept().await.unwrap();
                let (mut asked, mut piece) = (Vec::new(), [0_u8; 1_024]);
                while !asked.ends_with(b"\r\n\r\n") {
                    let read = caller.read(&mut piece).await.unwrap();
                    asked.extend_from_slice(&piece[..read]);
                }
                let (length, close) = (answer.len(), "connection: close");
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{close}\r\n\r\n");
                caller.write_all((head + &answer).as_bytes()).await.unwrap();
            }
        });
    }

    fn state(revision: u64, hash: u128, value: &str) -> String {
        let (hash, row) = (StateHash(hash), format!(r#"{{"register":"{value}"}}"#));
        format!(
            "{{\"revision\":{revision},\"term\":1,\"hash\":\"{hash}\"}}\n{row}\n{{\"end\":1}}\n"
        )
    }

    async fn all_same_of(answers: [String; 3]) -> Revision {
        let group = Group::new();
        for (node, answer) in (1..).zip(answers) {
            planted(&group, node, answer).await;
        }
        all_same(&group, Duration::from_secs(1)).await
    }

    #[tokio::test]
    async fn the_same_state_at_one_revision_is_found_the_same() {
        let revision = all_same_of([(); 3].map(|()| state(7, 1, "one"))).await;
        assert_eq!(revision, Revision(7));
    }

    #[tokio::test]
    #[should_panic(expected = "states of 1 and 3 at revision 7")]
    async fn another_hash_at_the_same_revision_fails_the_test() {
        all_same_of([state(7, 1, "one"), state(7, 1, "one"), state(7, 2, "one")]).await;
    }

    #[tokio::test]
    #[should_panic(expected = "two")]
    async fn another_row_under_the_same_hash_fails_the_test() {
        all_same_of([state(7, 1, "one"), state(7, 1, "two"), state(7, 1, "one")]).await;
    }

    #[tokio::test]
    #[should_panic(expected = "states of one revision: not within")]
    async fn states_of_different_revisions_are_not_compared() {
        all_same_of([state(7, 1, "one"), state(8, 2, "two"), state(7, 1, "one")]).await;
    }
}
