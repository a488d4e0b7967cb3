//! Plays one who watches a Manager's status over the real stream, and keeps all that he has been told.

use super::world::World;
use futures_util::StreamExt as _;
use std::{collections::BTreeMap, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use tradewind_protocol::{
    managers::{STATUS_STREAM, StatusFrame},
    supervision::{ServiceReport, ServiceState},
};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Watcher {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Those that are there.
    services: BTreeMap<String, ServiceReport>,
    /// All that was told of each service, in the order told.
    pub(crate) reports: BTreeMap<String, Vec<ServiceReport>>,
}

impl Watcher {
    pub(crate) async fn start(world: &World) -> Self {
        let url = format!("ws://{}{STATUS_STREAM}", world.address());
        let (socket, _) = connect_async(url).await.unwrap();
        let mut watcher = Self { socket, services: BTreeMap::new(), reports: BTreeMap::new() };
        match watcher.next().await {
            StatusFrame::Status { status } => {
                status.services.into_iter().for_each(|report| watcher.note(report));
            }
            other => panic!("{other:?}"),
        }
        watcher
    }

    pub(crate) async fn next(&mut self) -> StatusFrame {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.unwrap().unwrap().unwrap();
            if let Message::Text(text) = frame {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    fn note(&mut self, report: ServiceReport) {
        let name = report.service.to_string();
        self.reports.entry(name.clone()).or_default().push(report.clone());
        self.services.insert(name, report);
    }

    /// Goes on until what was told is so.
    pub(crate) async fn until(&mut self, what: &str, told: impl Fn(&Self) -> bool) {
        let told = async {
            while !told(self) {
                match self.next().await {
                    StatusFrame::Service { service } => self.note(service),
                    StatusFrame::Gone { service } => {
                        assert!(self.services.remove(&service.to_string()).is_some());
                    }
                    StatusFrame::Standing { .. } | StatusFrame::Beat { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        assert!(timeout(PATIENCE, told).await.is_ok(), "not in time: {what}");
    }

    /// As it was told last; `None` if it is not there.
    pub(crate) fn report(&self, service: &str) -> Option<&ServiceReport> {
        self.services.get(service)
    }

    pub(crate) fn state(&self, service: &str) -> Option<ServiceState> {
        self.report(service).map(|report| report.state)
    }

    /// Those it went through, in the order told; one stands there again with each report of it.
    pub(crate) fn states(&self, service: &str) -> Vec<ServiceState> {
        self.reports[service].iter().map(|report| report.state).collect()
    }
}
