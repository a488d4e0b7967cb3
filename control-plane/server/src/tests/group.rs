//! Three members in one process. Decides how tests start, stop and ask them.

use super::{doors::Doors, eventually};
use crate::{InitMember, Listeners, Options, RunError, Server, Timing};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::{IdempotencyKey, level::FeatureLevel, row::CustomerSpec},
    ids::{KeyHash, NodeId},
    time::UnixNanos,
};
use tradewind_link::rest::{HeaderMap, Method, Rest, RestError};
use tradewind_protocol::{
    Problem,
    control::{Changed, IDEMPOTENCY_KEY, PutRegister, RegisterAnswer, Status, format_key},
};

pub(super) const SOON: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);

/// Members are counted from 0; their nodes from 1.
pub(super) struct Group {
    servers: Vec<Option<Server>>,
    options: Vec<Options>,
    pub(super) rest: Rest,
    pub(super) keys: KeySource,
    state: TempDir,
}

impl Group {
    pub(super) async fn of(count: u64) -> Self {
        Self::with(count, true).await
    }

    pub(super) async fn with(count: u64, enable_registers: bool) -> Self {
        Self::formed(count, enable_registers, None, FeatureLevel::KNOWN).await
    }

    /// Its members know each other by these doors.
    pub(super) async fn behind(doors: &Doors, count: u64) -> Self {
        Self::formed(count, true, Some(doors), FeatureLevel::KNOWN).await
    }

    /// Of a build that understands no more than this.
    pub(super) async fn knowing(count: u64, knows: FeatureLevel) -> Self {
        Self::formed(count, true, None, knows).await
    }

    /// From its next start on a member is another build.
    pub(super) fn build(&mut self, member: usize, knows: FeatureLevel) {
        self.options[member].knows = knows;
    }

    async fn formed(
        count: u64,
        enable_registers: bool,
        doors: Option<&Doors>,
        knows: FeatureLevel,
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut options = Vec::new();
        let mut listeners = Vec::new();
        for node in 1..=count {
            let mut own = Options {
                node: Some(NodeId(node)),
                cluster: "test".to_owned(),
                state_dir: state.path().join(node.to_string()),
                listen: "127.0.0.1:0".parse().unwrap(),
                advertise: None,
                peer_listen: "127.0.0.1:0".parse().unwrap(),
                advertise_peer: None,
                init: None,
                join: Vec::new(),
                timing: Timing::default(),
                snapshots: crate::Snapshots::default(),
                enable_registers,
                provisioning: crate::Provisioning::default(),
                knows,
            };
            let bound = Listeners::bind(&own).await.unwrap();
            own.listen = bound.api.local_addr().unwrap();
            own.peer_listen = bound.peer.local_addr().unwrap();
            if let Some(doors) = doors {
                own.advertise = Some(doors.before(own.listen).await);
            }
            options.push(own);
            listeners.push(bound);
        }
        let named = options.iter().map(|own| InitMember {
            node: own.node.unwrap(),
            peer_address: own.peer_listen,
            api_address: own.advertise.clone().unwrap_or_else(|| own.listen.to_string()),
        });
        let named: Vec<InitMember> = named.collect();
        let mut servers = Vec::new();
        for (own, bound) in options.iter_mut().zip(listeners) {
            own.init = Some(named.clone());
            servers.push(Some(Server::start(own.clone(), bound).await.unwrap()));
        }
        let keys = KeySource::new("test".parse().unwrap(), Arc::new(now));
        let group = Self { servers, options, rest: Rest::default(), keys, state };
        group.leader().await;
        group
    }

    pub(super) fn address(&self, member: usize) -> String {
        self.options[member].listen.to_string()
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        (0..self.options.len()).map(|member| self.address(member)).collect()
    }

    pub(super) fn client(&self) -> ControlClient {
        ControlClient::new(self.addresses(), self.rest.clone())
    }

    /// Which member leads, as it says itself and can prove.
    pub(super) async fn leader(&self) -> usize {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            for (member, server) in self.servers.iter().enumerate() {
                if server.as_ref().is_some_and(Server::leads) {
                    return member;
                }
            }
            assert!(tokio::time::Instant::now() < deadline, "no leader");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Members that run and do not lead.
    pub(super) async fn followers(&self) -> Vec<usize> {
        let leader = self.leader().await;
        let running = (0..self.servers.len()).filter(|member| self.servers[*member].is_some());
        running.filter(|member| *member != leader).collect()
    }

    /// A new member asks the running ones to be admitted. Gives its place in this group.
    pub(super) async fn join(&mut self) -> usize {
        let member = self.options.len();
        let mut own = Options {
            node: None,
            init: None,
            join: self.addresses(),
            state_dir: self.state.path().join(format!("joined-{member}")),
            listen: "127.0.0.1:0".parse().unwrap(),
            peer_listen: "127.0.0.1:0".parse().unwrap(),
            ..self.options[0].clone()
        };
        let bound = Listeners::bind(&own).await.unwrap();
        own.listen = bound.api.local_addr().unwrap();
        own.peer_listen = bound.peer.local_addr().unwrap();
        let server = Server::start(own.clone(), bound).await.unwrap();
        self.options.push(own);
        self.servers.push(Some(server));
        member
    }

    /// Where a stopped member will be found from its next start on.
    pub(super) async fn move_away(&mut self, member: usize) {
        let own = &mut self.options[member];
        own.listen = "127.0.0.1:0".parse().unwrap();
        own.peer_listen = own.listen;
        let bound = Listeners::bind(own).await.unwrap();
        own.listen = bound.api.local_addr().unwrap();
        own.peer_listen = bound.peer.local_addr().unwrap();
        self.servers[member] = Some(Server::start(own.clone(), bound).await.unwrap());
    }

    pub(super) fn server(&self, member: usize) -> &Server {
        self.servers[member].as_ref().unwrap()
    }

    /// Stops a member without any hand-over.
    pub(super) async fn kill(&mut self, member: usize) {
        self.servers[member].take().unwrap().cease().await;
    }

    pub(super) async fn stop(&mut self, member: usize) {
        self.servers[member].take().unwrap().stop().await;
    }

    pub(super) async fn start_again(&mut self, member: usize) {
        self.try_start_again(member).await.unwrap();
    }

    pub(super) async fn try_start_again(&mut self, member: usize) -> Result<(), RunError> {
        let options = self.options[member].clone();
        let listeners = Listeners::bind(&options).await.unwrap();
        self.servers[member] = Some(Server::start(options, listeners).await?);
        Ok(())
    }

    /// The disk of a member that was stopped is gone.
    pub(super) fn wipe(&self, member: usize) {
        std::fs::remove_dir_all(&self.options[member].state_dir).unwrap();
    }

    pub(super) async fn request<B: Serialize, T: DeserializeOwned>(
        &self,
        member: usize,
        method: Method,
        path: &str,
        key: Option<&IdempotencyKey>,
        body: Option<&B>,
    ) -> Result<T, RestError> {
        let key = key.map(format_key);
        let headers: Vec<_> = key.iter().map(|key| (IDEMPOTENCY_KEY, key.as_str())).collect();
        let address = self.address(member);
        let asked = self.rest.request(method, &address, path, &headers, body, ANSWER);
        asked.await.map(|(_, answer)| answer)
    }

    /// Status, headers and body of whatever is answered.
    pub(super) async fn ask(
        &self,
        member: usize,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: &Value,
    ) -> (u16, HeaderMap, Value) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let mut bytes = Vec::new();
        if !body.is_null() {
            map.insert("content-type", "application/json".parse().unwrap());
            bytes = serde_json::to_vec(body).unwrap();
        }
        let address = self.address(member);
        let asked = self.rest.raw(method, &address, path, map, bytes.into(), ANSWER);
        let (status, headers, answer) = asked.await.unwrap();
        (status.as_u16(), headers, serde_json::from_slice(&answer).unwrap())
    }

    /// Waits until all know that all builds are the newest.
    pub(super) async fn raised(&self) {
        eventually("the level is raised", SOON, async || {
            let status = self.status(0).await;
            status.is_ok_and(|status| status.level == Some(FeatureLevel::KNOWN))
        })
        .await;
    }

    /// All that a member tells whoever watches from the beginning, one after the other: each under its name.
    pub(super) async fn events(&self, member: usize) -> Vec<Value> {
        let (mut events, mut since) = (Vec::new(), Value::from(0));
        loop {
            let path = format!("/v1/events?since={since}");
            let (status, _, mut page) =
                self.ask(member, Method::GET, &path, &[], &Value::Null).await;
            assert_eq!(status, 200, "{page}");
            let entries = page["entries"].as_array_mut().unwrap();
            if entries.is_empty() {
                return events;
            }
            for entry in entries {
                events.append(entry["events"].as_array_mut().unwrap());
            }
            since = page["next"].take();
        }
    }

    /// Those of one name.
    pub(super) async fn told(&self, member: usize, name: &str) -> Vec<Value> {
        let events = self.events(member).await.into_iter();
        events.filter_map(|mut event| event.get_mut(name).map(Value::take)).collect()
    }

    pub(super) async fn write(
        &self,
        member: usize,
        register: &str,
        value: &str,
        key: &IdempotencyKey,
    ) -> Result<Changed, RestError> {
        let body = PutRegister { value: value.to_owned(), expected: None };
        let path = format!("/v1/registers/{register}");
        self.request(member, Method::PUT, &path, Some(key), Some(&body)).await
    }

    pub(super) async fn read(
        &self,
        member: usize,
        register: &str,
    ) -> Result<Option<String>, RestError> {
        let path = format!("/v1/registers/{register}");
        let answer: RegisterAnswer =
            self.request::<(), _>(member, Method::GET, &path, None, None).await?;
        Ok(answer.register.map(|row| row.value))
    }

    pub(super) async fn status(&self, member: usize) -> Result<Status, RestError> {
        self.request::<(), _>(member, Method::GET, "/v1/status", None, None).await
    }

    pub(super) async fn put_customer(&self, customer: &str, api_key: &str) {
        let spec = CustomerSpec { key_hashes: [KeyHash::of(api_key)].into() };
        let customer = customer.parse().unwrap();
        let answer = self.client().put_customer(&customer, &spec, &self.keys.next(), SOON).await;
        answer.accepted().unwrap();
    }
}

pub(super) fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap())
}

/// The problem that a request ended with, whatever it was called.
pub(super) fn problem<T: std::fmt::Debug>(result: Result<T, RestError>) -> Problem {
    result.unwrap_err().into_problem()
}
