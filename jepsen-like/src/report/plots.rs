//! Plots as SVG: operations by process, latency and throughput, with the faults shaded. Decides scales and marks;
//! colours are the page's, so that they suit light and dark.

use crate::{
    calls::{Call, Outcome},
    verdict::FaultDone,
};
use std::fmt::Write as _;

const WIDTH: f64 = 1_100.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 10.0;
const KINDS: [(Outcome, &str); 3] =
    [(Outcome::Ok, "mark-ok"), (Outcome::Fail, "mark-fail"), (Outcome::Info, "mark-info")];
/// Marks of one kind in a plot: beyond this, every so manieth is drawn, and the page says so.
pub(super) const MARKS_MAX: usize = 8_000;

/// Time from the left to the right, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) began_ns: u64,
    pub(super) length_ms: f64,
}

impl Span {
    fn ms(self, at_ns: u64) -> f64 {
        // Nanoseconds of a run fit into an f64 to the last digit shown.
        #[allow(clippy::cast_precision_loss)]
        let passed = at_ns.saturating_sub(self.began_ns) as f64;
        passed / 1e6
    }

    fn x(self, ms: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (ms / self.length_ms).clamp(0.0, 1.0)
    }
}

/// A logarithmic scale from the bottom up.
struct Scale {
    low: f64,
    decades: f64,
    top: f64,
    height: f64,
}

impl Scale {
    fn y(&self, value: f64) -> f64 {
        let share = ((value.max(self.low)) / self.low).log10() / self.decades;
        self.top + self.height * (1.0 - share.clamp(0.0, 1.0))
    }

    fn grid(&self, svg: &mut String, unit: &str) {
        let mut value = self.low;
        let highest = self.low * 10_f64.powf(self.decades) * 1.001;
        while value <= highest {
            let y = self.y(value);
            let _ = write!(
                svg,
                r#"<path class="axis" d="M{LEFT} {y:.1}H{:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{value} {unit}</text>"#,
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            );
            value *= 10.0;
        }
    }
}

fn open(height: f64, title: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}"><title>{title}</title>"#
    )
}

fn shades(svg: &mut String, span: Span, faults: &[FaultDone], bottom: f64) {
    for fault in faults {
        #[allow(clippy::cast_precision_loss)]
        let (from, to) = (span.x(fault.from_ms as f64), span.x(fault.to_ms as f64));
        let _ = write!(
            svg,
            r#"<rect class="shade" x="{from:.1}" y="14" width="{:.1}" height="{:.1}"><title>{}: {}</title></rect><text x="{from:.1}" y="10">{}</text>"#,
            (to - from).max(1.5),
            bottom - 14.0,
            fault.nemesis.name(),
            super::escaped(&fault.text),
            fault.nemesis.name(),
        );
    }
}

fn seconds(svg: &mut String, span: Span, bottom: f64) {
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 300.0];
    let step = step.into_iter().find(|step| span.length_ms / 1e3 / step <= 14.0).unwrap_or(600.0);
    let mut at = 0.0;
    while at * 1e3 <= span.length_ms {
        let x = span.x(at * 1e3);
        let _ = write!(
            svg,
            r#"<path class="axis" d="M{x:.1} {bottom:.1}v4"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{at} s</text>"#,
            bottom + 16.0
        );
        at += step;
    }
}

/// Every `n`th, so that no more than the limit is left.
fn thinned<'a>(calls: &[&'a Call], outcome: Outcome) -> Vec<&'a Call> {
    let of_kind: Vec<&Call> = calls.iter().copied().filter(|c| c.outcome == outcome).collect();
    let step = of_kind.len().div_ceil(MARKS_MAX).max(1);
    of_kind.into_iter().step_by(step).collect()
}

/// Operations as lines from their begin to their end, a lane for each process that was at work at a time.
pub(super) fn timeline(calls: &[&Call], span: Span, faults: &[FaultDone]) -> String {
    const LANE: f64 = 9.0;
    let mut free: Vec<(u64, String)> = Vec::new();
    let mut lane_of = std::collections::BTreeMap::<String, usize>::new();
    let mut last = std::collections::BTreeMap::<&str, u64>::new();
    for call in calls {
        let end = call.ended_at.unwrap_or(u64::MAX);
        let latest = last.entry(call.process.as_str()).or_default();
        *latest = (*latest).max(end);
    }
    for call in calls {
        if lane_of.contains_key(&call.process) {
            continue;
        }
        let until = last.get(call.process.as_str()).copied().unwrap_or(u64::MAX);
        let lane = free.iter().position(|(until, _)| *until <= call.begun_at);
        let lane = lane.unwrap_or_else(|| {
            free.push((0, String::new()));
            free.len() - 1
        });
        free[lane] = (until, call.process.clone());
        lane_of.insert(call.process.clone(), lane);
    }
    #[allow(clippy::cast_precision_loss)]
    let bottom = 20.0 + LANE * free.len() as f64;
    let mut svg = open(bottom + 22.0, "operations by process");
    shades(&mut svg, span, faults, bottom);
    for (outcome, class) in KINDS {
        let mut path = String::new();
        for call in thinned(calls, outcome) {
            #[allow(clippy::cast_precision_loss)]
            let lane = lane_of.get(&call.process).copied().unwrap_or(0) as f64;
            let (from, y) = (span.x(span.ms(call.begun_at)), 20.0 + LANE * lane + LANE / 2.0);
            let to = call.ended_at.map_or(span.length_ms, |at| span.ms(at));
            let _ = write!(path, "M{from:.1} {y:.1}h{:.1}", (span.x(to) - from).max(0.7));
        }
        let width = if outcome == Outcome::Ok { 4 } else { 6 };
        let _ = write!(svg, r#"<path class="{class}" stroke-width="{width}" d="{path}"/>"#);
    }
    seconds(&mut svg, span, bottom);
    svg.push_str("</svg>");
    svg
}

/// Each operation's latency, by its end.
pub(super) fn latency(calls: &[&Call], span: Span, faults: &[FaultDone]) -> String {
    let scale = Scale { low: 0.1, decades: 5.0, top: 20.0, height: 200.0 };
    let bottom = scale.top + scale.height;
    let mut svg = open(bottom + 22.0, "latency");
    shades(&mut svg, span, faults, bottom);
    scale.grid(&mut svg, "ms");
    for (outcome, class) in KINDS {
        let mut path = String::new();
        for call in thinned(calls, outcome) {
            let Some(ended) = call.ended_at else { continue };
            let took = span.ms(ended) - span.ms(call.begun_at);
            let _ = write!(path, "M{:.1} {:.1}h2", span.x(span.ms(ended)), scale.y(took));
        }
        let _ = write!(svg, r#"<path class="{class}" stroke-width="2" d="{path}"/>"#);
    }
    seconds(&mut svg, span, bottom);
    svg.push_str("</svg>");
    svg
}

/// Operations that ended a second, in steps of a quarter of one.
pub(super) fn throughput(calls: &[&Call], span: Span, faults: &[FaultDone]) -> String {
    const STEP_MS: f64 = 250.0;
    let scale = Scale { low: 1.0, decades: 4.0, top: 20.0, height: 160.0 };
    let bottom = scale.top + scale.height;
    let mut svg = open(bottom + 22.0, "throughput");
    shades(&mut svg, span, faults, bottom);
    scale.grid(&mut svg, "/s");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let place = |ms: f64| (ms / STEP_MS).max(0.0) as usize;
    for (outcome, class) in KINDS {
        let mut counts = vec![0.0_f64; place(span.length_ms) + 1];
        for call in calls.iter().filter(|call| call.outcome == outcome) {
            if let Some(count) = call.ended_at.and_then(|at| counts.get_mut(place(span.ms(at)))) {
                *count += 1e3 / STEP_MS;
            }
        }
        let mut path = String::new();
        let mut at = 0.0;
        for count in counts {
            let (x, y) = (span.x(at), scale.y(count.max(1.0)));
            let _ = write!(
                path,
                "{}{x:.1} {y:.1}H{:.1}",
                if at > 0.0 { "L" } else { "M" },
                span.x(at + STEP_MS)
            );
            at += STEP_MS;
        }
        let _ = write!(svg, r#"<path class="{class}" stroke-width="1.5" d="{path}"/>"#);
    }
    seconds(&mut svg, span, bottom);
    svg.push_str("</svg>");
    svg
}
