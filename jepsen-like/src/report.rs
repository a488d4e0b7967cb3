//! The report on a run: one HTML file that needs nothing else. Decides what is shown and in which order; the plots are
//! `plots`', the verdict is `verdict`'s.

mod plots;

use crate::{
    calls::{Call, calls},
    checks::Finding,
    history::{HistoryError, Operation},
    plan::Plan,
    verdict::{self, Judgement, Verdict},
};
use plots::{MARKS_MAX, Span};
use std::fmt::Write as _;

/// Lines of the history shown before and after an operation of a finding.
const AROUND: u64 = 12;
/// Findings shown with their surroundings; the others stand in `verdict.json`.
const SHOWN_MAX: usize = 20;

const STYLE: &str = include_str!("report/style.css");

/// Text as it may stand in a page.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The frame of a page.
pub(crate) fn framed(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{}</title><style>\n{STYLE}</style></head><body>\n{body}\n</body></html>\n",
        escaped(title)
    )
}

/// The whole page.
pub fn page(plan: &Plan, history: &[Operation], verdict: &Verdict) -> Result<String, HistoryError> {
    let calls = calls(history)?;
    let load: Vec<&Call> = verdict::load(&calls).collect();
    let began_ns = verdict::begin(history);
    let end_ns = history.last().map_or(began_ns, |operation| operation.time);
    #[allow(clippy::cast_precision_loss)]
    let length_ms = (end_ns.saturating_sub(began_ns) as f64 / 1e6).max(1.0);
    let span = Span { began_ns, length_ms };
    let mut body = words(plan, verdict);
    let thinned = if load.len() > MARKS_MAX { "; not every mark is drawn" } else { "" };
    let _ = write!(
        body,
        "<p class=\"soft\"><span class=\"key ok\"></span>ok<span class=\"key fail\"></span>fail (surely not \
         done)<span class=\"key info\"></span>info (not known)<span class=\"key fault\"></span>fault{thinned}</p>"
    );
    for (title, plot) in [
        ("Operations by process", plots::timeline(&load, span, &verdict.faults)),
        ("Latency", plots::latency(&load, span, &verdict.faults)),
        ("Throughput", plots::throughput(&load, span, &verdict.faults)),
    ] {
        let _ = write!(body, "<h2>{title}</h2>{plot}");
    }
    body.push_str(&faults(verdict));
    body.push_str(&tallies(verdict));
    body.push_str(&findings(verdict, history, began_ns));
    let title = format!("{} {}", verdict.workload.name(), verdict.verdict.word());
    Ok(framed(&title, &body))
}

/// The verdict, in words.
fn words(plan: &Plan, verdict: &Verdict) -> String {
    let word = verdict.verdict.word();
    let nemeses: Vec<String> = plan.options.nemeses.iter().map(|nemesis| nemesis.name()).collect();
    let nemeses = if nemeses.is_empty() { "none".to_string() } else { nemeses.join(", ") };
    let sentence = match verdict.verdict {
        Judgement::Valid => "Everything that was checked holds.".to_string(),
        Judgement::Invalid => format!("{} things do not hold.", verdict.findings.len()),
        Judgement::Unknown => "Nothing was found wrong, and nothing is proven.".to_string(),
    };
    let mut text = format!(
        "<h1><span class=\"word {word}\">{word}</span>: {} under {nemeses}</h1><p>{sentence}</p>\
         <p class=\"soft\">{} members, {} s, seed {}; {} operations acknowledged, {} a second before the first \
         fault; worst outage {}.</p>",
        verdict.workload.name(),
        verdict.nodes,
        plan.options.time_ms / 1_000,
        verdict.seed,
        verdict.acknowledged(),
        verdict.load,
        verdict.worst_outage_ms().map_or("none".to_string(), |ms| format!("{ms} ms")),
    );
    for why in &verdict.undecided {
        let _ = write!(text, "<p class=\"unknown\">Not decided: {}</p>", escaped(why));
    }
    for finding in verdict.findings.iter().take(SHOWN_MAX) {
        let (invariant, what) = (escaped(&finding.invariant), escaped(&finding.text));
        let _ = write!(text, "<p class=\"invalid\"><b>{invariant}</b> {what}</p>");
    }
    text
}

fn faults(verdict: &Verdict) -> String {
    if verdict.faults.is_empty() {
        return String::new();
    }
    let mut text =
        "<h2>Faults</h2><div class=\"wide\"><table><tr><th>nemesis</th><th>state</th><th>what</th>\
                    <th class=\"number\">from</th><th class=\"number\">to</th>\
                    <th class=\"number\">without success</th></tr>"
            .to_string();
    for fault in &verdict.faults {
        let _ = write!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"number\">{} ms</td><td class=\"number\">{} ms</td>\
             <td class=\"number\">{}</td></tr>",
            fault.nemesis.name(),
            fault.state,
            escaped(&fault.text),
            fault.from_ms,
            fault.to_ms,
            fault.outage_ms.map_or("".to_string(), |ms| format!("{ms} ms")),
        );
    }
    text + "</table></div>"
}

fn tallies(verdict: &Verdict) -> String {
    let mut text = "<h2>Operations</h2><table><tr><th>operation</th><th class=\"number\">ok</th>\
                    <th class=\"number\">fail</th><th class=\"number\">info</th></tr>"
        .to_string();
    for (f, tally) in &verdict.operations {
        let _ = write!(
            text,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td></tr>",
            escaped(f),
            tally.ok,
            tally.fail,
            tally.info
        );
    }
    text + "</table>"
}

/// Each finding with the lines around its operations.
fn findings(verdict: &Verdict, history: &[Operation], began_ns: u64) -> String {
    let mut text = String::new();
    for finding in verdict.findings.iter().take(SHOWN_MAX) {
        let Finding { invariant, text: what, operations } = finding;
        let _ = write!(text, "<h2>{} {}</h2><pre>", escaped(invariant), escaped(what));
        let near = |at: u64| operations.iter().any(|shown| shown.abs_diff(at) <= AROUND);
        let mut shown_last = true;
        for (at, operation) in (0_u64..).zip(history) {
            if !near(at) {
                if shown_last && at > 0 {
                    text.push_str("...\n");
                }
                shown_last = false;
                continue;
            }
            shown_last = true;
            let line = line(operation, began_ns);
            let line = escaped(&line);
            let marked = operations.contains(&at);
            let _ = if marked { writeln!(text, "<b>{line}</b>") } else { writeln!(text, "{line}") };
        }
        text.push_str("</pre>");
    }
    text
}

/// One operation, for a person.
fn line(operation: &Operation, began_ns: u64) -> String {
    let kind = serde_json::to_value(operation.kind).unwrap_or_default();
    let kind = kind.as_str().unwrap_or_default().to_string();
    let ms = operation.time.saturating_sub(began_ns) / 1_000_000;
    let value: String = operation.value.to_string().chars().take(160).collect();
    let error = operation.error.as_ref().map_or(String::new(), |error| format!("  {error}"));
    let process = operation.process.to_string();
    format!(
        "{:>7} {ms:>8} ms {process:>10} {kind:>6} {} {value}{error}",
        operation.index, operation.f
    )
}
