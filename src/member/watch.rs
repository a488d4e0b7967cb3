//! `tradewind member ls --watch` and `member get --watch`: members as they change. Decides what is no change: how long the log is,
//! how far each has come in it and when it was heard last, which is other at each look.

use super::{Client, WITHIN, rows, table};
use crate::{cli::Format, resource::steadily};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::NodeId;
use tradewind_protocol::{
    Code, Problem,
    control::Stand,
    members::{MemberInfo, Members},
};

impl Client {
    pub(super) async fn watch_all(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        let look = async || Ok(self.members().await?);
        let differs = |now: &Members, shown: &Members| Ok(steady(now) != steady(shown));
        let news = |before: Option<&Members>, now: &Members| match self.output {
            Format::Table => Ok(table(now)),
            Format::Json => Ok(serde_json::to_string(now)? + "\n"),
            Format::Jsonl => Ok(lines(before.map(|all| all.members.as_slice()), &now.members)),
        };
        steadily(self.output, stop, look, differs, news).await
    }

    /// One that is there when it is asked for first; removed it is gone for good, and that is shown.
    pub(super) async fn watch_one(
        &self,
        node: NodeId,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let path = format!("/v1/members/{node}");
        let first: MemberInfo = self.control.read(&path, WITHIN).await?;
        let look = async || match self.control.read::<MemberInfo>(&path, WITHIN).await {
            Ok(member) => Ok(vec![member]),
            Err(Problem { code: Code::NotFound, .. }) => Ok(vec![]),
            Err(problem) => Err(problem.into()),
        };
        let differs = |now: &Vec<MemberInfo>, shown: &Vec<MemberInfo>| Ok(calm(now) != calm(shown));
        let news = |before: Option<&Vec<MemberInfo>>, now: &Vec<MemberInfo>| match self.output {
            Format::Table => Ok(rows(now)),
            Format::Json => Ok(serde_json::to_string(now.first().unwrap_or(&first))? + "\n"),
            Format::Jsonl => Ok(lines(before.map(Vec::as_slice), now)),
        };
        steadily(self.output, stop, look, differs, news).await
    }
}

/// But for who leads, how it stands is of the moment.
fn steady(all: &Members) -> Members {
    let stand = Stand { leader: all.stand.leader, ..Stand::default() };
    Members { stand, members: calm(&all.members), ..all.clone() }
}

/// Whether it is heard at all is no matter of the moment.
fn calm(members: &[MemberInfo]) -> Vec<MemberInfo> {
    let calm = |member: &MemberInfo| MemberInfo {
        matched: None,
        lag: None,
        heard_ms: member.heard_ms.map(|_| 0),
        ..member.clone()
    };
    members.iter().map(calm).collect()
}

/// A line for each change.
fn lines(before: Option<&[MemberInfo]>, now: &[MemberInfo]) -> String {
    let before = before.map(calm).unwrap_or_default();
    let gone = before.iter().filter(|one| !now.iter().any(|member| member.node == one.node));
    let gone = gone.map(|one| format!("{}\n", json!({ "deleted": one.node })));
    let new = now.iter().filter(|member| !before.contains(&calm(std::slice::from_ref(member))[0]));
    let new = new.map(|member| serde_json::to_string(member).unwrap_or_default() + "\n");
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_domain::ids::Revision;
    use tradewind_protocol::members::MemberStanding;

    fn member(node: u64, standing: MemberStanding, matched: u64) -> MemberInfo {
        MemberInfo {
            node: NodeId(node),
            standing,
            api_address: "h:1".to_owned(),
            peer_address: "h:2".to_owned(),
            disk: None,
            matched: Some(Revision(matched)),
            lag: Some(matched),
            heard_ms: Some(matched),
            version: None,
            level: None,
        }
    }

    #[test]
    fn a_longer_log_is_no_change_of_a_member_and_another_standing_is() {
        let one = [member(1, MemberStanding::Voter, 7), member(2, MemberStanding::Learner, 3)];
        let later = [member(1, MemberStanding::Voter, 9), member(2, MemberStanding::Learner, 9)];
        assert_eq!(calm(&one), calm(&later));
        assert_eq!(lines(Some(&one), &later), "");
        let unheard = [MemberInfo { heard_ms: None, ..one[0].clone() }, one[1].clone()];
        assert_ne!(calm(&one), calm(&unheard));
        let promoted = [one[0].clone(), member(2, MemberStanding::Voter, 9)];
        assert_ne!(calm(&one), calm(&promoted));
    }

    #[test]
    fn as_lines_only_members_that_changed_are_shown() {
        let before = [member(1, MemberStanding::Voter, 7), member(2, MemberStanding::Voter, 3)];
        let after = [member(1, MemberStanding::Voter, 8), member(3, MemberStanding::Learner, 1)];
        let shown = lines(Some(&before), &after);
        let shown: Vec<&str> = shown.lines().collect();
        assert_eq!(shown[0], "{\"deleted\":2}");
        assert!(shown[1].contains("\"node\":3") && shown.len() == 2, "{shown:?}");
        assert_eq!(lines(None, &before).lines().count(), 2);
    }
}
