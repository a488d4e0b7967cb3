//! Who watches a Manager's status: the stream of it as it comes, in which every state stands, however short it lasts. Decides how it
//! is opened and read; what is made of what is told is each test's.

use crate::{sharded::SOON, wire::Socket};
use futures_util::StreamExt as _;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{client_async, tungstenite::Message};
use tradewind_protocol::{
    managers::{OwnStanding, OwnStatus, STATUS_STREAM, StatusFrame},
    supervision::{ServiceReport, ServiceState},
};

pub struct Watcher(Socket);

impl Watcher {
    /// And what he is told first.
    pub async fn start(manager: &str) -> (Self, OwnStatus) {
        let stream = TcpStream::connect(manager).await.unwrap();
        let url = format!("ws://{manager}{STATUS_STREAM}");
        let mut watcher = Self(client_async(url, stream).await.unwrap().0);
        match watcher.told().await {
            StatusFrame::Status { status } => (watcher, status),
            other => panic!("{other:?} is told first"),
        }
    }

    async fn told(&mut self) -> StatusFrame {
        loop {
            let frame = timeout(SOON, self.0.next()).await.expect("nothing is told");
            if let Message::Text(text) = frame.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Goes on until something that was waited for is told.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut is: impl FnMut(StatusFrame) -> Option<T>,
    ) -> T {
        let told = async {
            loop {
                if let Some(told) = is(self.told().await) {
                    return told;
                }
            }
        };
        timeout(SOON, told).await.unwrap_or_else(|_| panic!("{what} was not told"))
    }

    /// The states of a service as they follow each other, until this is told of it. Which `connecting` lasts long enough to be
    /// told is chance: it is left out.
    pub async fn states(
        &mut self,
        service: &str,
        until: impl Fn(&ServiceReport) -> bool,
    ) -> Vec<ServiceState> {
        let mut states = Vec::new();
        let what = format!("what is waited for of {service}");
        self.until(&what, |frame| match frame {
            StatusFrame::Service { service: report } if report.service.to_string() == service => {
                if report.state != ServiceState::Connecting {
                    states.push(report.state);
                    states.dedup();
                }
                until(&report).then_some(())
            }
            _ => None,
        })
        .await;
        states
    }

    /// How the Manager stands once that is so.
    pub async fn standing(&mut self, what: &str, is: impl Fn(&OwnStanding) -> bool) -> OwnStanding {
        let is = |frame| match frame {
            StatusFrame::Standing { standing } if is(&standing) => Some(standing),
            _ => None,
        };
        self.until(what, is).await
    }
}
