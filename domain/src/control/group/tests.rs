//! Claims about node ids, disks and removals.

use super::*;
use crate::{
    control::{
        command::{Command, IdempotencyKey, Request, Stamped},
        machine::Outcome,
    },
    ids::Revision,
    time::UnixNanos,
};
use alloc::{format, string::ToString};
use proptest::prelude::*;

pub(in crate::control) fn address(n: u64) -> MemberAddress {
    MemberAddress { peer: format!("127.0.0.1:{n}"), api: format!("127.0.0.1:1{n}") }
}

/// A machine with a log of commands about the group.
#[derive(Default)]
pub(in crate::control) struct Log {
    pub(in crate::control) machine: Machine,
    revision: u64,
}

impl Log {
    pub(in crate::control) fn founded(count: u64) -> Self {
        let mut log = Self::default();
        let founder = |n| Founder { address: address(n), disk: Some(DiskId(u128::from(n))) };
        let members = (1..=count).map(|n| (NodeId(n), founder(n))).collect();
        let voters_wanted = u8::try_from(count).unwrap_or(5);
        log.apply(GroupCommand::Found { voters_wanted, members }).expect("founded");
        log
    }

    pub(in crate::control) fn apply(&mut self, command: GroupCommand) -> Result<Revision, Refusal> {
        self.revision += 1;
        let client = "test".parse().expect("a legal name");
        let key = IdempotencyKey { client, issued_at: UnixNanos(1), n: self.revision };
        let request = Request { key, command: Command::Group(command) };
        let entry = Stamped { at: UnixNanos(1), request };
        match self.machine.apply(Revision(self.revision), &entry).outcome {
            Outcome::Accepted { revision } => Ok(revision),
            Outcome::Refused { refusal } => Err(refusal),
        }
    }

    pub(in crate::control) fn admit(&mut self, disk: u128) -> Result<NodeId, Refusal> {
        let address = address(u64::try_from(disk).unwrap_or(0));
        self.apply(GroupCommand::Admit { disk: DiskId(disk), address })?;
        Ok(self.machine.admitted(DiskId(disk)).expect("admitted").node)
    }

    pub(in crate::control) fn remove(&mut self, node: u64) -> Result<Revision, Refusal> {
        self.apply(GroupCommand::Remove { node: NodeId(node), forced: false })
    }
}

#[test]
fn a_join_repeated_is_the_same_member_and_a_number_is_never_given_twice() {
    let mut log = Log::founded(3);
    assert_eq!(log.admit(44), Ok(NodeId(4)));
    assert_eq!(log.admit(44), Ok(NodeId(4)));
    log.remove(4).expect("removed");
    log.apply(GroupCommand::Forget { node: NodeId(4) }).expect("forgotten");
    assert!(log.machine.was_removed(NodeId(4)));
    assert!(!log.machine.was_removed(NodeId(5)));
    // The same disk again is a new member: what it held as the old one counts no more.
    assert_eq!(log.admit(44), Ok(NodeId(5)));
}

#[test]
fn a_node_id_is_bound_to_one_disk_and_a_wiped_one_is_told_what_to_do() {
    let mut log = Log::founded(3);
    let tell = |disk| {
        let disk = DiskId(disk);
        GroupCommand::Tell { node: NodeId(2), disk, address: address(77) }
    };
    assert_eq!(log.apply(tell(99)), Err(Refusal::OtherDisk { node: NodeId(2) }));
    let told = Refusal::OtherDisk { node: NodeId(2) }.to_string();
    assert!(told.contains("remove it and join as a new member"), "{told}");
    log.apply(tell(2)).expect("its own disk may move");
    assert_eq!(log.machine.admission(NodeId(2)).map(|row| row.address.clone()), Some(address(77)));
}

#[test]
fn a_member_without_a_known_disk_is_bound_by_the_first_that_tells() {
    let mut log = Log::default();
    let founder = Founder { address: address(1), disk: None };
    let members = [(NodeId(1), founder)].into();
    log.apply(GroupCommand::Found { voters_wanted: 1, members }).expect("founded");
    let tell =
        |disk| GroupCommand::Tell { node: NodeId(1), disk: DiskId(disk), address: address(1) };
    log.apply(tell(7)).expect("bound");
    assert_eq!(log.apply(tell(8)), Err(Refusal::OtherDisk { node: NodeId(1) }));
}

#[test]
fn while_one_member_is_removed_other_changes_are_busy_and_a_repeat_is_not() {
    let mut log = Log::founded(5);
    log.remove(2).expect("begun");
    let busy = Refusal::Busy { removing: NodeId(2) };
    assert_eq!(log.remove(3), Err(busy.clone()));
    assert_eq!(log.admit(9), Err(busy.clone()));
    assert_eq!(log.apply(GroupCommand::WantVoters { voters: 3 }), Err(busy));
    log.remove(2).expect("the same again");
    log.apply(GroupCommand::Remove { node: NodeId(2), forced: true }).expect("now forced");
    let forced = AdmissionState::Removing { forced: true };
    assert_eq!(log.machine.admission(NodeId(2)).map(|row| row.state), Some(forced));
    let nobody = Err(Refusal::Superseded);
    assert_eq!(log.apply(GroupCommand::Forget { node: NodeId(3) }), nobody);
}

#[test]
fn three_or_five_voters_are_possible_and_nothing_between() {
    let mut log = Log::founded(3);
    for voters in [0, 1, 2, 4, 6, 255] {
        let refused = log.apply(GroupCommand::WantVoters { voters });
        assert_eq!(refused, Err(Refusal::VotersNotPossible));
    }
    log.apply(GroupCommand::WantVoters { voters: 5 }).expect("five");
    assert_eq!(log.machine.group().map(|group| group.voters_wanted), Some(5));
}

#[test]
fn a_new_life_is_founded_anew_and_gives_no_number_of_the_one_before() {
    let mut log = Log::founded(3);
    assert_eq!(log.admit(44), Ok(NodeId(4)));
    log.machine = log.machine.clone().begin_new_life();
    assert!(log.machine.group().is_none() && log.machine.admissions().next().is_none());
    assert!(!log.machine.was_removed(NodeId(3)), "nobody is told before the group is founded");
    let members = [(NodeId(3), Founder { address: address(3), disk: Some(DiskId(3)) })].into();
    log.apply(GroupCommand::Found { voters_wanted: 1, members }).expect("founded");
    assert!(log.machine.was_removed(NodeId(1)));
    assert_eq!(log.admit(55), Ok(NodeId(5)));
}

#[test]
fn the_rows_of_the_group_survive_being_stored() {
    let mut log = Log::founded(3);
    log.admit(44).expect("admitted");
    let again = Machine::from_rows(log.machine.rows());
    assert_eq!(again.group(), log.machine.group());
    assert!(again.admissions().eq(log.machine.admissions()));
}

proptest! {
    #[test]
    fn no_number_ever_names_two_disks(steps in prop::collection::vec((0_u8..4, 0_u64..9), 1..80)) {
        let mut log = Log::founded(3);
        let mut names: BTreeMap<NodeId, DiskId> = BTreeMap::new();
        for (what, which) in steps {
            let _ = match what {
                0 | 1 => log.admit(u128::from(which) + 100).map(|_| Revision(0)),
                2 => log.remove(which),
                _ => log.apply(GroupCommand::Forget { node: NodeId(which) }),
            };
            for row in log.machine.admissions() {
                let Some(disk) = row.disk else { continue };
                prop_assert_eq!(*names.entry(row.node).or_insert(disk), disk);
            }
            let removing = log.machine.admissions().filter(|row| row.is_removing()).count();
            prop_assert!(removing <= 1, "M2");
        }
    }
}

#[test]
fn what_an_operator_asks_of_the_group_is_told_with_who_and_why() {
    let mut log = Log::founded(3);
    let by = |why: &str| By { who: "ann".to_string(), why: why.to_string() };
    let mut asked = |ask, why: &str| {
        log.revision += 1;
        let key = IdempotencyKey {
            client: "test".parse().expect("a legal name"),
            issued_at: UnixNanos(1),
            n: log.revision,
        };
        let command = Command::Group(GroupCommand::Audited { by: by(why), ask });
        let entry = Stamped { at: UnixNanos(1), request: Request { key, command } };
        log.machine.apply(Revision(log.revision), &entry)
    };
    let told = |ask, why: &str| EventKind::GroupAudited { ask, who: "ann".into(), why: why.into() };
    let remove = GroupAsk::Remove { node: NodeId(2), forced: true };
    let removed = asked(remove, "its disk is gone");
    assert_eq!(removed.events.len(), 2, "{removed:?}");
    assert_eq!(removed.events[1].kind, told(remove, "its disk is gone"));
    assert_eq!(asked(remove, "again").events, [], "nothing was changed");
    let transfer = GroupAsk::Transfer { to: Some(NodeId(3)) };
    let handed = asked(transfer, "");
    assert_eq!(handed.events.len(), 1);
    assert_eq!(handed.events[0].kind, told(transfer, ""), "handed over behind it");
    let refused = asked(GroupAsk::WantVoters { voters: 5 }, &"w".repeat(1_025)).outcome;
    assert_eq!(refused, Outcome::Refused { refusal: Refusal::TooLarge { what: Noun::Audit } });
}

const STATES: [Option<AdmissionState>; 4] = [
    None,
    Some(AdmissionState::Admitted),
    Some(AdmissionState::Removing { forced: false }),
    Some(AdmissionState::Removing { forced: true }),
];

const STEPS: [AdmissionStep; 5] = [
    AdmissionStep::Admit,
    AdmissionStep::Tell,
    AdmissionStep::Remove { forced: false },
    AdmissionStep::Remove { forced: true },
    AdmissionStep::Forget,
];

#[test]
fn every_state_takes_exactly_the_steps_of_the_table() {
    let [_, admitted, removing, forced] = STATES.map(|state| state.map(Next::State));
    let gone = Some(Next::Gone);
    let table = [
        [admitted, None, None, None, None],
        [admitted, admitted, removing, forced, None],
        [removing, removing, removing, forced, gone],
        [forced, forced, forced, forced, gone],
    ];
    for (state, expected) in STATES.into_iter().zip(table) {
        let found = STEPS.map(|step| AdmissionState::after(state, step));
        assert_eq!(found, expected, "{state:?}");
    }
}

#[test]
fn the_machine_goes_by_the_table() {
    let (disk, node, address) = (DiskId(44), NodeId(4), address(5));
    for (state, step) in STATES.into_iter().flat_map(|state| STEPS.map(|step| (state, step))) {
        // given
        let mut log = Log::founded(3);
        if let Some(state) = state {
            assert_eq!(log.admit(44), Ok(node));
            if let AdmissionState::Removing { forced } = state {
                log.apply(GroupCommand::Remove { node, forced }).expect("removing");
            }
        }
        // when
        let answer = log.apply(match step {
            AdmissionStep::Admit => GroupCommand::Admit { disk, address: address.clone() },
            AdmissionStep::Tell => GroupCommand::Tell { node, disk, address: address.clone() },
            AdmissionStep::Remove { forced } => GroupCommand::Remove { node, forced },
            AdmissionStep::Forget => GroupCommand::Forget { node },
        });
        // then
        let held = log.machine.admission(node).map(|row| row.state);
        let (is, found) = (answer.is_ok(), (state, step));
        match AdmissionState::after(state, step) {
            Some(Next::State(next)) => assert_eq!((is, held), (true, Some(next)), "{found:?}"),
            Some(Next::Gone) => assert_eq!((is, held), (true, None), "{found:?}"),
            None => assert_eq!((is, held), (false, state), "{found:?}"),
        }
    }
}
