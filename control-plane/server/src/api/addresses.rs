//! A router that tells its addresses: axum's does not, and they are compared with the document of the interface.
//! Decides nothing.

use crate::service::Service;
use axum::{Router, routing::MethodRouter};

#[derive(Default)]
pub(crate) struct Addresses {
    pub(super) router: Router<Service>,
    #[cfg_attr(not(test), allow(dead_code))]
    pub(crate) paths: Vec<&'static str>,
}

impl Addresses {
    pub(super) fn route(mut self, path: &'static str, methods: MethodRouter<Service>) -> Self {
        self.paths.push(path);
        Self { router: self.router.route(path, methods), ..self }
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        Self { router: self.router.merge(other.router), ..self }
    }
}
