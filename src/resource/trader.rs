//! `tradewind trader pause | resume | restart | stop | start`: changes what a Trader should do. Decides that the rest of
//! what is declared stays as it was read: had it changed meanwhile, nothing is done.

use super::{Asker, WITHIN, place};
use crate::{cli::resource::Turn, exit::Usage};
use tradewind_domain::control::{resource::Condition, row::TraderWish, trader::TraderDeclaration};
use tradewind_link::rest::Method;
use tradewind_protocol::resources::{Declared, One, TraderInfo};

pub(super) async fn turn(turn: &Turn) -> anyhow::Result<()> {
    let (Turn::Pause(of) | Turn::Resume(of) | Turn::Restart(of) | Turn::Stop(of) | Turn::Start(of)) =
        turn;
    let (asker, path) = (Asker::new(&of.whom), place("traders", &of.name));
    let held: One<TraderInfo> = asker.control.read(&path, WITHIN).await?;
    let spec = turned(turn, held.item.spec)?;
    let terms = of.reason.terms(Condition::At(held.item.revision));
    let declared: Declared = asker.change(Method::PUT, &path, &spec, terms).await?;
    asker.told(&declared, || {
        let (name, now) = (&of.name, word(spec.state));
        match declared.declared {
            at if at == declared.applied => format!("{name} is to be {now}, revision {at}\n"),
            at => format!("{name} is to be {now} since revision {at}\n"),
        }
    })
}

fn word(state: TraderWish) -> &'static str {
    match state {
        TraderWish::Running => "running",
        TraderWish::Paused => "paused",
        TraderWish::Stopped => "stopped",
    }
}

/// What is to be declared instead of what is.
fn turned(turn: &Turn, held: TraderDeclaration) -> Result<TraderDeclaration, Usage> {
    let is = word(held.state);
    let wrong = |first: &str| Err(Usage(format!("it is to be {is}: {first}")));
    let to = |state| Ok(TraderDeclaration { state, ..held.clone() });
    match (turn, held.state) {
        (Turn::Pause(_), TraderWish::Stopped) => wrong("start it first, or leave it"),
        (Turn::Pause(_), TraderWish::Running | TraderWish::Paused) => to(TraderWish::Paused),
        (Turn::Resume(_), TraderWish::Stopped) => wrong("start it instead"),
        (Turn::Resume(_), TraderWish::Running | TraderWish::Paused) | (Turn::Start(_), _) => {
            to(TraderWish::Running)
        }
        (Turn::Stop(_), _) => to(TraderWish::Stopped),
        (Turn::Restart(_), _) if held.command.is_empty() => {
            Err(Usage("its customer runs it: he starts it anew, which takes over".to_owned()))
        }
        (Turn::Restart(_), TraderWish::Running) => {
            Ok(TraderDeclaration { restarts: held.restarts.wrapping_add(1), ..held })
        }
        (Turn::Restart(_), TraderWish::Paused) => wrong("resume it, which starts a fresh copy"),
        (Turn::Restart(_), TraderWish::Stopped) => wrong("start it instead"),
    }
}
