//! How Managers and services are scraped. Decides the form, the prefix `tradewind_` and what every process tells;
//! which figures there are is decided by whoever has them.

use axum::{
    http::header,
    response::{IntoResponse as _, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, prometheus_text},
    metrics::MetricType,
    registry::Registry,
};
use std::fmt;
use tradewind_link::Failure;
use tradewind_protocol::Code;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug)]
enum Value {
    Gauge(u64),
    Counter(u64),
    /// By the values of one label.
    Gauges(&'static str, Vec<(&'static str, u64)>),
}

#[derive(Debug)]
struct Figure {
    name: &'static str,
    help: &'static str,
    value: Value,
}

/// What was found at one scrape.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    pub(crate) fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.0.push(Figure { name, help, value: Value::Gauge(value) });
    }

    pub(crate) fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.0.push(Figure { name, help, value: Value::Counter(value) });
    }

    /// One for each value of a label, of which there are few.
    pub(crate) fn gauges(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: Vec<(&'static str, u64)>,
    ) {
        self.0.push(Figure { name, help, value: Value::Gauges(label, values) });
    }
}

impl Collector for Figures {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        for Figure { name, help, value } in &self.0 {
            match value {
                Value::Gauge(value) => {
                    to.encode_descriptor(name, help, None, MetricType::Gauge)?
                        .encode_gauge(value)?;
                }
                Value::Counter(value) => {
                    to.encode_descriptor(name, help, None, MetricType::Counter)?
                        .encode_counter::<NoLabelSet, _, f64>(value, None)?;
                }
                Value::Gauges(label, values) => {
                    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
                    for (of, value) in values {
                        metric.encode_family(&[(*label, *of)])?.encode_gauge(value)?;
                    }
                }
            }
        }
        to.encode_descriptor("build_info", "The version that runs here", None, MetricType::Gauge)?
            .encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?
            .encode_gauge(&1_u64)
    }
}

/// As a scraper reads it.
pub(crate) fn answer(figures: Figures) -> Response {
    let mut registry = Registry::with_prefix("tradewind");
    registry.register_collector(Box::new(figures));
    let mut text = String::new();
    if prometheus_text::encode(&mut text, &registry).is_err() {
        let detail = "the figures could not be written";
        return Failure::new(Code::InternalError, detail).into_response();
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
