//! Who is to run a Trader whose Manager is away, by the group's word. Decides when such a Trader has to end: another
//! Manager has it, or it is not to run. That nobody answers, or nobody has it, is no reason: its algo trades on. Nor is what
//! another cluster says, which may have the members' addresses by then.

use std::time::Duration;
use tradewind_control_client::ControlClient;
use tradewind_domain::{control::row::TraderWish, ids::ManagerId};
use tradewind_link::rest::Rest;
use tradewind_protocol::{
    Code,
    resources::{One, TraderInfo},
    supervision::Configuration,
};

/// What a Trader needs to ask. Only one that was told what to run can, and only that one has something to lose.
pub(super) struct Question {
    control: ControlClient,
    path: String,
    ours: ManagerId,
}

/// What follows from the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    GoOn(String),
    End(String),
}

impl Question {
    /// `None`: of a Broker or a Market nobody needs to be asked, of a Trader that was told nothing nobody can.
    pub(super) fn of(
        configuration: Option<&Configuration>,
        manager: Option<&ManagerId>,
    ) -> Option<Self> {
        let Configuration::Trader { wanted, access } = configuration? else { return None };
        let members = access.infrastructure_managers.clone();
        Some(Self {
            control: ControlClient::new(members, Rest::default()).of(wanted.fence.cluster),
            path: format!("/v1/traders/{}", wanted.trader),
            ours: manager?.clone(),
        })
    }

    pub(super) async fn ask(self, within: Duration) -> Word {
        // Behind the leader's word: what a member knows by itself may be old.
        let told = self.control.read::<One<TraderInfo>>(&self.path, within).await;
        match told {
            Ok(One { item, .. }) => word(&item, &self.ours),
            Err(problem) if problem.code == Code::NotFound => {
                Word::End("it is not declared any more".to_owned())
            }
            Err(problem) => Word::GoOn(format!("the group does not tell: {problem}")),
        }
    }
}

fn word(told: &TraderInfo, ours: &ManagerId) -> Word {
    match told.spec.state {
        TraderWish::Running => {}
        TraderWish::Stopped => return Word::End("it is to be stopped".to_owned()),
        TraderWish::Paused => return Word::End("it is to be paused".to_owned()),
    }
    match &told.assignment {
        Some(held) if held.manager != *ours => Word::End(format!("{} has it", held.manager)),
        // Be it under a newer right: its Manager tells it when it is back.
        Some(held) => Word::GoOn(format!("{} still has it", held.manager)),
        None => Word::GoOn("nobody has it".to_owned()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::row::Assignment,
        ids::{Epoch, Revision},
    };

    pub(in crate::service) fn told(state: TraderWish, at: Option<&str>) -> TraderInfo {
        let spec = serde_json::json!({ "customer": "acme", "command": ["algo"] });
        let mut spec: tradewind_domain::control::trader::TraderDeclaration =
            serde_json::from_value(spec).unwrap();
        spec.state = state;
        let assignment = at.map(|at| Assignment { manager: at.parse().unwrap(), epoch: Epoch(9) });
        TraderInfo {
            trader: "algo".parse().unwrap(),
            revision: Revision(1),
            spec,
            assignment,
            now: None,
            fencing: false,
            attached: None,
        }
    }

    #[test]
    fn only_another_holder_or_that_it_is_not_to_run_ends_it() {
        let ours = "a1.trader-manager".parse().unwrap();
        let ends = |state, at| matches!(word(&told(state, at), &ours), Word::End(_));
        let (here, there) = (Some("a1.trader-manager"), Some("b1.trader-manager"));
        assert!(ends(TraderWish::Running, there));
        assert!(!ends(TraderWish::Running, here), "under whatever right");
        assert!(!ends(TraderWish::Running, None));
        for at in [here, there, None] {
            assert!(ends(TraderWish::Stopped, at));
            assert!(ends(TraderWish::Paused, at));
        }
    }
}
