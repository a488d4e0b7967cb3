//! What differs between the three kinds of Managers. Decides the seam: [`Work`] says what should run,
//! [`Handle`] is what it may ask; running it is the Manager's own matter.

use crate::supervision::Supervisor;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::{Desired, IdempotencyKey},
    ids::{Incarnation, ManagerId, ServiceId},
    trading::shards::Load,
};
use tradewind_link::listen;
use tradewind_protocol::{
    asks::{ServiceAnswer, ServiceAsk},
    supervision::{Configuration, ServiceReport},
};

/// A figure that goes up and down; the prefix of its name is put before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    pub name: &'static str,
    pub help: &'static str,
    pub value: u64,
}

/// A service that should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub service: ServiceId,
    /// What it is told to be. `None`: one that runs goes on as it is, none is started.
    pub configuration: Option<Configuration>,
}

impl From<(ServiceId, Configuration)> for Wanted {
    fn from((service, configuration): (ServiceId, Configuration)) -> Self {
        Self { service, configuration: Some(configuration) }
    }
}

/// The part of a Manager that depends on its kind. Calls come from the Manager's own task: none may
/// block or wait; what takes time belongs into `background`.
pub trait Work: Send + Sync + 'static {
    /// The services that `desired` asks for. What is not named is stopped. Asked again after
    /// [`Handle::reconsider`].
    fn wanted(&self, desired: &Desired) -> Vec<Wanted>;

    /// Routes beside the Manager's own, on the same listener. Asked once, before `background`.
    fn router(&self, handle: &Handle) -> axum::Router {
        let _ = handle;
        axum::Router::new()
    }

    /// Bounds of the Manager's listener: how many connections, how large a body.
    fn listen_limits(&self) -> listen::Limits {
        let limits = listen::Limits::default();
        // A Manager's services are on its own machine, which is one address: hundreds may check in at a time.
        listen::Limits { connections_per_address: limits.connections, ..limits }
    }

    /// A newer desired state counts from now on; `wanted` is asked right after.
    fn on_desired(&self, desired: &Desired) {
        let _ = desired;
    }

    /// Whether the Manager's lease holds, told at least with every beat: without it nothing new is taken.
    fn on_lease(&self, holds: bool) {
        let _ = holds;
    }

    /// Something about the services changed: a state, an address. All of them, in order of their names.
    fn on_services(&self, services: &[ServiceReport]) {
        let _ = services;
    }

    /// What one of its services asks. Called by the service's keeper: it may neither block nor wait.
    fn asked(&self, service: &ServiceId, ask: ServiceAsk) -> ServiceAnswer {
        tracing::warn!(%service, ?ask, "a question that this Manager has no answer to");
        ServiceAnswer::NotKnown
    }

    /// What one of its services takes of its machine, by its last beat. Called as `asked`.
    fn on_load(&self, service: &ServiceId, load: Load) {
        let _ = (service, load);
    }

    /// Sessions of algos held at the moment, for the beat.
    fn sessions(&self) -> u64 {
        0
    }

    /// Figures of its own for `/metrics`.
    fn gauges(&self) -> Vec<Gauge> {
        Vec::new()
    }

    /// Runs as long as the Manager; ends soon after `shutdown`. May wait and keep tasks of its own.
    fn background(
        self: Arc<Self>,
        handle: Handle,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send {
        let _ = (handle, shutdown);
        std::future::ready(())
    }

    /// The Manager stops: lets go of those who are connected (goaway). Services still run; given
    /// `limits::DRAIN_WITHIN`, then connections are closed.
    fn drain(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What a [`Work`] may ask of its Manager. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) manager: ManagerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) address: Arc<str>,
    pub(crate) control: ControlClient,
    pub(crate) desired: watch::Receiver<Option<Arc<Desired>>>,
    pub(crate) services: watch::Receiver<Arc<Vec<ServiceReport>>>,
    pub(crate) reconsider: mpsc::Sender<()>,
    pub(crate) keys: Arc<KeySource>,
    pub(crate) supervisor: Supervisor,
}

impl Handle {
    #[must_use]
    pub fn manager(&self) -> &ManagerId {
        &self.manager
    }

    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Host and port where this Manager is reached.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The way to the InfrastructureManagers.
    #[must_use]
    pub fn control(&self) -> &ControlClient {
        &self.control
    }

    /// The desired state that counts; `None` before the first ever.
    #[must_use]
    pub fn desired(&self) -> watch::Receiver<Option<Arc<Desired>>> {
        self.desired.clone()
    }

    /// All services as they are, in order of their names; changes wake the receiver.
    #[must_use]
    pub fn services(&self) -> watch::Receiver<Arc<Vec<ServiceReport>>> {
        self.services.clone()
    }

    /// One service as it is at the moment.
    #[must_use]
    pub fn service(&self, service: &ServiceId) -> Option<ServiceReport> {
        let services = self.services.borrow();
        services.iter().find(|report| report.service == *service).cloned()
    }

    /// A key for a change that this Manager asks for.
    #[must_use]
    pub fn key(&self) -> IdempotencyKey {
        self.keys.next()
    }

    /// What is here and was not started by this Manager: all of it, told of with its services.
    pub fn also_here(&self, reports: Vec<ServiceReport>) {
        self.supervisor.beside(reports);
    }

    /// Has `wanted` asked again soon: something it depends on has changed.
    pub fn reconsider(&self) {
        // A full queue holds a wish that is not yet granted: this one is granted with it.
        let _ = self.reconsider.try_send(());
    }
}
