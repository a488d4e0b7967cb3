//! The result of `bench control`, as JSON and as a table. Decides the form only.

use super::measured::{Measured, Ratio};
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) runs: Vec<Run>,
    /// From the kill of a leader to the first write accepted that was begun after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failover_ms: Option<Outages>,
    /// The longest time without an accepted write around a planned stop of the leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transfer_ms: Option<Outages>,
}

/// One number of clients, one kind of operation.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) op: &'static str,
    pub(crate) clients: u32,
    pub(crate) tradewind: Measured,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etcd: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<Ratio>,
}

/// Outages in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Outages {
    pub(crate) median: f64,
    pub(crate) worst: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kills: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transfers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) etcd: Option<Box<Outages>>,
}

pub(crate) fn table(report: &Report) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{:<7}{:>8}  {:<10}{:>9}{:>9}{:>9}{:>10}   CPU us/op: generator, leader, followers",
        "OP", "CLIENTS", "SYSTEM", "PER S", "P50 us", "P99 us", "P99.9 us"
    )?;
    for run in &report.runs {
        line(&mut text, run, "tradewind", &run.tradewind)?;
        if let Some(etcd) = &run.etcd {
            line(&mut text, run, "etcd", etcd)?;
        }
        if let Some(ratio) = &run.ratio {
            let (per_s, p99) = (ratio.per_s, ratio.p99);
            writeln!(text, "{:<17}{:<10}{per_s:>9.2}{:>9}{p99:>9.2}", "", "ratio", "")?;
        }
    }
    outages(&mut text, "leader killed, to the next accepted write", report.failover_ms.as_ref())?;
    outages(&mut text, "leadership handed over", report.transfer_ms.as_ref())?;
    Ok(text)
}

fn line(text: &mut String, run: &Run, system: &str, measured: &Measured) -> std::fmt::Result {
    let Measured { per_s, p50_us, p99_us, p999_us, cpu_us } = measured;
    let (op, clients) = (run.op, run.clients);
    write!(
        text,
        "{op:<7}{clients:>8}  {system:<10}{per_s:>9.0}{p50_us:>9}{p99_us:>9}{p999_us:>10}"
    )?;
    match cpu_us {
        Some(cpu) => {
            writeln!(text, "   {:.1}, {:.1}, {:.1}", cpu.generator, cpu.leader, cpu.followers)
        }
        None => writeln!(text),
    }
}

fn outages(text: &mut String, what: &str, outages: Option<&Outages>) -> std::fmt::Result {
    let Some(outages) = outages else { return Ok(()) };
    let Outages { median, worst, kills, transfers, etcd } = outages;
    let times = kills.or(*transfers).unwrap_or_default();
    writeln!(text, "{what}, {times} times: median {median:.1} ms, worst {worst:.1} ms")?;
    if let Some(etcd) = etcd {
        let (median, worst) = (etcd.median, etcd.worst);
        writeln!(text, "  etcd with 50/250 ms timers: median {median:.1} ms, worst {worst:.1} ms")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_fields_that_scripts_read() {
        let measured = Measured { per_s: 2.0, p50_us: 1, p99_us: 3, p999_us: 4, cpu_us: None };
        let ratio = Some(Ratio::of(&measured, &measured));
        let run = Run {
            op: "write",
            clients: 64,
            tradewind: measured.clone(),
            etcd: Some(measured),
            ratio,
        };
        let outages = |kills, transfers| {
            Some(Outages { median: 1.0, worst: 2.0, kills, transfers, etcd: None })
        };
        let report = Report {
            runs: vec![run],
            failover_ms: outages(Some(50), None),
            transfer_ms: outages(None, Some(20)),
        };
        let json = serde_json::to_value(&report).expect("it is JSON");
        let expected = serde_json::json!({
            "runs": [{
                "op": "write", "clients": 64,
                "tradewind": {"per_s": 2.0, "p50_us": 1, "p99_us": 3, "p999_us": 4},
                "etcd": {"per_s": 2.0, "p50_us": 1, "p99_us": 3, "p999_us": 4},
                "ratio": {"per_s": 1.0, "p99": 1.0}
            }],
            "failover_ms": {"median": 1.0, "worst": 2.0, "kills": 50},
            "transfer_ms": {"median": 1.0, "worst": 2.0, "transfers": 20}
        });
        assert_eq!(json, expected);
        let text = table(&report).expect("it can be written");
        assert!(text.contains("tradewind") && text.contains("50 times"), "{text}");
    }
}
