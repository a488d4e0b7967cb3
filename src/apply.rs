//! `tradewind apply`: makes the cluster what one file declares. Decides that a plan is shown first, and that nothing is
//! done that was not agreed to; what the plan is stands in `plan`, how it is carried out in `carry`.

mod carry;
mod file;
mod nearest;
mod plan;

use crate::{
    cli::{apply::ApplyArgs, resource::Format},
    exit::Usage,
    resource::{Asker, contents, say},
    stopping::aside,
};
use anyhow::bail;
use plan::{Plan, Planned, Step};
use serde_json::json;
use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(args: &ApplyArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let asks = !args.yes && !args.plan;
    if asks && !io::stdin().is_terminal() {
        let usage =
            "say --yes to apply it without being asked, or --plan to see what would be done";
        return Err(Usage(usage.to_owned()).into());
    }
    let name = args.file.display().to_string();
    let wanted = file::read(&name, &contents(&args.file).await?)?;
    let asker = Asker::new(&args.whom);
    let there = plan::there(&asker).await?;
    let plan = plan::plan(&wanted, &there, args.prune, args.release)?;
    let over = args.plan || plan.steps.is_empty();
    // As JSON it is one document: the plan, and behind it what was done.
    if over || asker.output != Format::Json {
        show(asker.output, &plan)?;
    }
    if over {
        return Ok(ExitCode::SUCCESS);
    }
    let loosened: Vec<&str> =
        plan.steps.iter().filter(|one| one.loosens).map(|one| one.name.as_str()).collect();
    if !args.loosen && !loosened.is_empty() {
        let names = loosened.join(", ");
        if asker.output == Format::Json {
            show(asker.output, &plan)?;
        }
        bail!(
            "a limit or a trading state would be looser than it is, which somebody may have set on purpose: {names}. Put it \
             in the file as it is, or say --loosen; nothing was done"
        );
    }
    let agreed = async {
        tokio::select! {
            agreed = aside(agreed) => agreed?,
            () = stop.cancelled() => Ok(false),
        }
    };
    if asks && asker.output == Format::Json {
        // To whoever is asked.
        eprint!("{}", text(&plan));
    }
    if asks && !agreed.await? {
        eprintln!("tradewind: nothing was done");
        return Ok(ExitCode::FAILURE);
    }
    let terms = |on| {
        let mut terms = args.reason.terms(on);
        terms.why.get_or_insert_with(|| format!("apply {name}"));
        terms
    };
    let mut done = Vec::new();
    let carried = carry::out(&asker, &plan, terms, &stop, &mut done).await;
    if asker.output == Format::Json {
        say(&format!("{:#}\n", json!({ "plan": plan, "done": done })))?;
    }
    carried.map(|()| ExitCode::SUCCESS)
}

fn agreed() -> anyhow::Result<bool> {
    eprint!("Apply this? Only `yes` is taken for an answer: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn show(output: Format, plan: &Plan) -> anyhow::Result<()> {
    match output {
        Format::Json => say(&format!("{:#}\n", serde_json::to_value(plan)?)),
        Format::Jsonl => {
            let lines: Result<Vec<String>, _> =
                plan.steps.iter().map(serde_json::to_string).collect();
            say(&lines?.into_iter().map(|line| line + "\n").collect::<String>())
        }
        Format::Table => say(&text(plan)),
    }
}

fn text(plan: &Plan) -> String {
    let mut lines = String::new();
    for Planned { kind, name, step, changes, .. } in &plan.steps {
        let sign = match step {
            Step::Create => '+',
            Step::Change { .. } => '~',
            Step::Delete { .. } => '-',
        };
        lines.push_str(&format!("{sign} {:<15} {name}\n", kind.word()));
        for change in changes {
            lines.push_str(&format!("    {change}\n"));
        }
    }
    let count = |of: fn(&Step) -> bool| plan.steps.iter().filter(|one| of(&one.step)).count();
    if plan.steps.is_empty() {
        lines.push_str("nothing to do: ");
    }
    lines.push_str(&format!(
        "{} to create, {} to change, {} to delete, {} unchanged\n",
        count(|step| matches!(step, Step::Create)),
        count(|step| matches!(step, Step::Change { .. })),
        count(|step| matches!(step, Step::Delete { .. })),
        plan.unchanged,
    ));
    if !plan.undeclared.is_empty() {
        let names = plan.undeclared.join(", ");
        lines.push_str(&format!("not in the file, and kept; --prune deletes them: {names}\n"));
    }
    lines
}
