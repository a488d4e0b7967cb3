//! Every workload against every nemesis. Decides which pairs there are, and the table at the end: one page, one JSON
//! file, and one exit code for all of them.

use crate::{
    options::{Nemesis, Options, Workload},
    plan, report, run,
    verdict::{Judgement, Verdict},
};
use anyhow::Context as _;
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

/// One cell of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub workload: Workload,
    pub nemesis: Nemesis,
    pub seed: u64,
    pub verdict: Judgement,
    /// A planned fault did not happen.
    pub did_not_bite: bool,
    pub acknowledged: u64,
    pub worst_outage_ms: Option<u64>,
    /// What is wrong or undecided, or why there was no run.
    pub said: Vec<String>,
    /// Below the directory of the summary.
    pub directory: String,
}

/// The pairs of this part of all: each workload with each nemesis that can hit it, and alone.
#[must_use]
pub fn pairs((number, of): (u64, u64)) -> Vec<(Workload, Nemesis)> {
    let all = Workload::ALL.into_iter().flat_map(|workload| {
        let nemeses = [Nemesis::None].into_iter().chain(workload.nemeses());
        nemeses.chain([Nemesis::Mixed]).map(move |nemesis| (workload, nemesis))
    });
    let own = (1..=of).cycle().zip(all).filter(|(turn, _)| *turn == number);
    own.map(|(_, pair)| pair).collect()
}

/// Runs them one after the other; the exit code is that of the worst.
pub async fn run_all(binary: &Path, runs: Vec<Options>, out: &Path) -> anyhow::Result<u8> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut cells = Vec::new();
    for options in runs {
        let nemesis = options.nemeses.first().copied().unwrap_or(Nemesis::None);
        let directory = format!("{}-{}", options.workload.name(), nemesis.name());
        let done = match plan::plan(&options) {
            Ok(plan) => run::run(binary, &plan, &out.join(&directory)).await,
            Err(error) => Err(error.into()),
        };
        let cell = cell(&options, nemesis, directory, done);
        println!("{}", line(&cell));
        for what in &cell.said {
            println!("    {what}");
        }
        cells.push(cell);
        // After each, so that a run that is stopped leaves what was done.
        fs::write(out.join("summary.json"), serde_json::to_string_pretty(&cells)?)?;
        fs::write(out.join("summary.html"), page(&cells))?;
    }
    println!("{}", totals(&cells));
    println!("{}", out.join("summary.html").display());
    Ok(code(&cells))
}

fn cell(
    options: &Options,
    nemesis: Nemesis,
    directory: String,
    done: anyhow::Result<Verdict>,
) -> Cell {
    let (workload, seed) = (options.workload, options.seed);
    let told = Cell {
        workload,
        nemesis,
        seed,
        verdict: Judgement::Unknown,
        did_not_bite: false,
        acknowledged: 0,
        worst_outage_ms: None,
        said: Vec::new(),
        directory,
    };
    match done {
        Err(error) => Cell { said: vec![format!("{error:#}")], ..told },
        Ok(verdict) => {
            let findings = verdict.findings.iter();
            let findings = findings.map(|found| format!("{} {}", found.invariant, found.text));
            Cell {
                verdict: verdict.verdict,
                did_not_bite: verdict.did_not_bite(),
                acknowledged: verdict.acknowledged(),
                worst_outage_ms: verdict.worst_outage_ms(),
                said: findings.chain(verdict.undecided.clone()).collect(),
                ..told
            }
        }
    }
}

fn word(cell: &Cell) -> &'static str {
    if cell.verdict == Judgement::Unknown && cell.did_not_bite {
        "did not bite"
    } else {
        cell.verdict.word()
    }
}

fn line(cell: &Cell) -> String {
    format!(
        "{:<10} {:<22} {:<13} {:>7} operations, worst outage {}",
        cell.workload.name(),
        cell.nemesis.name(),
        word(cell),
        cell.acknowledged,
        cell.worst_outage_ms.map_or("-".to_string(), |ms| format!("{ms} ms"))
    )
}

fn totals(cells: &[Cell]) -> String {
    let of = |judgement| cells.iter().filter(|cell| cell.verdict == judgement).count();
    format!(
        "{} runs: {} valid, {} invalid, {} unknown",
        cells.len(),
        of(Judgement::Valid),
        of(Judgement::Invalid),
        of(Judgement::Unknown)
    )
}

/// What does not hold outweighs what is not known.
fn code(cells: &[Cell]) -> u8 {
    let any = |judgement| cells.iter().any(|cell| cell.verdict == judgement);
    if any(Judgement::Invalid) {
        Judgement::Invalid.code()
    } else if any(Judgement::Unknown) {
        Judgement::Unknown.code()
    } else {
        Judgement::Valid.code()
    }
}

fn page(cells: &[Cell]) -> String {
    let by_pair: BTreeMap<(Nemesis, Workload), &Cell> =
        cells.iter().map(|cell| ((cell.nemesis, cell.workload), cell)).collect();
    let mut workloads: Vec<Workload> = cells.iter().map(|cell| cell.workload).collect();
    workloads.sort();
    workloads.dedup();
    let mut nemeses: Vec<Nemesis> = cells.iter().map(|cell| cell.nemesis).collect();
    nemeses.sort();
    nemeses.dedup();
    let mut body = format!("<h1>{}</h1><div class=\"wide\"><table><tr><th></th>", totals(cells));
    for workload in &workloads {
        let _ = write!(body, "<th>{}</th>", workload.name());
    }
    body.push_str("</tr>");
    for nemesis in nemeses {
        let _ = write!(body, "<tr><th>{}</th>", nemesis.name());
        for workload in &workloads {
            let Some(cell) = by_pair.get(&(nemesis, *workload)) else {
                body.push_str("<td></td>");
                continue;
            };
            let outage = cell.worst_outage_ms.map_or("-".to_string(), |ms| format!("{ms} ms"));
            let said: Vec<String> = cell.said.iter().map(|said| report::escaped(said)).collect();
            let _ = write!(
                body,
                "<td><a class=\"word {}\" href=\"{}/{}\">{}</a><br><span class=\"soft\">{} operations<br>worst \
                 outage {outage}</span><br>{}</td>",
                cell.verdict.word(),
                cell.directory,
                run::REPORT,
                word(cell),
                cell.acknowledged,
                said.join("<br>")
            );
        }
        body.push_str("</tr>");
    }
    body.push_str("</table></div>");
    report::framed("jepsen-like: all workloads, all nemeses", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_all_of_it_and_none_twice() {
        let all = pairs((1, 1));
        assert_eq!(all.len(), 3 * 15 + 21 + 17 + 16);
        let mut together: Vec<_> = (1..=4).flat_map(|number| pairs((number, 4))).collect();
        together.sort();
        let mut whole = all;
        whole.sort();
        assert_eq!(together, whole);
    }

    #[test]
    fn one_invalid_run_outweighs_all_unknown_ones() {
        let cell = |verdict| Cell {
            workload: Workload::Register,
            nemesis: Nemesis::Partition,
            seed: 1,
            verdict,
            did_not_bite: false,
            acknowledged: 5,
            worst_outage_ms: None,
            said: vec!["<why>".to_string()],
            directory: "d".to_string(),
        };
        use Judgement::{Invalid, Unknown, Valid};
        assert_eq!(code(&[cell(Valid)]), 0);
        assert_eq!(code(&[cell(Valid), cell(Unknown)]), 2);
        assert_eq!(code(&[cell(Unknown), cell(Invalid)]), 1);
        let page = page(&[cell(Invalid)]);
        assert!(page.contains("&lt;why&gt;") && page.contains("1 invalid"), "{page}");
    }
}
