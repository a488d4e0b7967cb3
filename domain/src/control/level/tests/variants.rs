//! Claims about what stands in logs at which level. The names of all variants are found by what serde is told of them, so
//! that none can be appended without a level: those of level 1 are as they were, and every other one has a sample here.

use super::*;
use crate::{
    control::{
        asked::RequestHash,
        copies::{Copies, CopyCommand},
        fencing::TraderCommand,
        group::GroupAsk,
        handed_back::ServiceCommand,
        placement::RebalanceCommand,
        resource::{Condition, Declaration, Resource, ResourceChange, ResourceCommand},
        row::AccountSpec,
        scale::{Said, ScaleCommand},
    },
    ids::{ClusterIncarnation, Fence},
};
use alloc::{boxed::Box, collections::BTreeSet};
use serde::{
    Deserialize,
    de::{Deserializer, Visitor, value::Error},
    forward_to_deserialize_any,
};

const THIRD: FeatureLevel = FeatureLevel::THIRD;

/// Asked for an enum it keeps the names of its variants, and gives none.
struct Names<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("not an enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(variants);
        Err(serde::de::Error::custom("names only"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn names<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = Vec::new();
    assert!(T::deserialize(Names(&mut names)).is_err());
    names
}

/// What builds of the first level read: all that there was before the first release, but for what waits for the second.
/// From then on nothing is added here.
#[rustfmt::skip]
const OF_THE_FIRST: [(&str, &[&str]); 14] = [
    ("Command", &["OpenCluster", "PutMember", "CheckIn", "ExpireManager", "PutAccount", "PutCustomer", "PutMarket",
        "PutTrader", "AssignBroker", "AssignCustomer", "AssignTrader", "PutRegister", "Group", "PutLocation",
        "PutExchangeDays", "Drain", "Rebalance", "Resource", "Scale", "Service", "CheckInFrom", "Trader", "Level"]),
    ("DrainCommand", &["Begin", "Acknowledge", "Emptied", "Overdue", "Drop", "Cancel", "Force", "Reschedule", "BeginOn"]),
    ("TraderCommand", &["Move", "Fenced", "Attach"]),
    ("ResourceCommand", &["Put", "Delete", "AddKey", "RemoveKey", "Audited"]),
    ("ResourceChange", &["Put", "Delete", "AddKey", "RemoveKey"]),
    ("Declaration", &["Account", "Customer", "Market", "Trader", "Location", "ExchangeDays", "Route", "Risk",
        "TradingState", "Scale", "TraderRun", "SelfManaged"]),
    ("Resource", &["account", "customer", "market", "trader", "location", "exchange_days", "route", "risk",
        "trading_state", "scale"]),
    ("GroupCommand", &["Found", "Admit", "Tell", "Remove", "Forget", "WantVoters", "Audited"]),
    ("GroupAsk", &["remove", "want_voters", "transfer"]),
    ("RebalanceCommand", &["Begin", "End", "Cancel", "CancelAt"]),
    ("ScaleCommand", &["Ask", "Start", "Arrive", "Fail", "GiveUp", "Retire", "Keep", "Release", "Done", "Quiet"]),
    ("ServiceCommand", &["HandBack", "Settle"]),
    ("LevelCommand", &["Know", "CheckIn", "Raise"]),
    ("CopyCommand", &[]),
];

fn now() -> [(&'static str, Vec<&'static str>); 14] {
    [
        ("Command", names::<Command>()),
        ("DrainCommand", names::<DrainCommand>()),
        ("TraderCommand", names::<TraderCommand>()),
        ("ResourceCommand", names::<ResourceCommand>()),
        ("ResourceChange", names::<ResourceChange>()),
        ("Declaration", names::<Declaration>()),
        ("Resource", names::<Resource>()),
        ("GroupCommand", names::<GroupCommand>()),
        ("GroupAsk", names::<GroupAsk>()),
        ("RebalanceCommand", names::<RebalanceCommand>()),
        ("ScaleCommand", names::<ScaleCommand>()),
        ("ServiceCommand", names::<ServiceCommand>()),
        ("LevelCommand", names::<LevelCommand>()),
        ("CopyCommand", names::<CopyCommand>()),
    ]
}

/// Everything that came later: its name, its level, and one of it.
fn later() -> Vec<(&'static str, &'static str, FeatureLevel, Command)> {
    let by = || By { who: "me".to_string(), why: "test".to_string() };
    let target = || name("a");
    let abandon = DrainCommand::Abandon { target: target(), at: None, by: by() };
    let unknown =
        DrainCommand::HoursUnknown { target: target(), epoch: Epoch(1), why: String::new() };
    let dropped = DrainCommand::DropConfirmed {
        target: target(),
        epoch: Epoch(1),
        within: None,
        confirmed: BTreeMap::new(),
    };
    let asked = Command::Asked {
        request: RequestHash::of("POST", "/v1/drains/a/abandon", b""),
        command: Box::new(Command::Drain(abandon.clone())),
    };
    let on = Fence { cluster: ClusterIncarnation(1), epoch: Epoch(5) };
    let (account, manager) = (|| name("x"), || name("a.broker-manager"));
    let copies = Command::Copies;
    let naming = copies(CopyCommand::Name { account: account(), holder: None, on });
    let joined = copies(CopyCommand::Joined { account: account(), since: on });
    let succeed = copies(CopyCommand::Succeed { account: account(), manager: manager(), on });
    let live = copies(CopyCommand::WentLive { account: account(), right: on });
    let back = copies(CopyCommand::GiveBack { account: account(), on });
    let spec = AccountSpec {
        venue: name("v"),
        adapter: "sim".to_string(),
        endpoint: "h:1".to_string(),
        customers: BTreeSet::new(),
    };
    let what = Declaration::AccountCopies { account: name("x"), spec, copies: Copies::Two };
    let declared = Command::Resource(ResourceCommand::Put { what, on: Condition::Always });
    let (request, revision, said) = (Epoch(1), Revision(1), Said::Released);
    let told = Command::Scale(ScaleCommand::Tell { by: by(), request, revision, said });
    vec![
        ("Command", "Asked", THIRD, asked),
        ("Command", "Copies", SECOND, back.clone()),
        ("CopyCommand", "Name", SECOND, naming),
        ("CopyCommand", "Joined", SECOND, joined),
        ("CopyCommand", "Succeed", SECOND, succeed),
        ("CopyCommand", "WentLive", SECOND, live),
        ("CopyCommand", "GiveBack", SECOND, back),
        ("DrainCommand", "Abandon", SECOND, Command::Drain(abandon)),
        ("DrainCommand", "HoursUnknown", SECOND, Command::Drain(unknown)),
        ("DrainCommand", "DropConfirmed", THIRD, Command::Drain(dropped)),
        ("Declaration", "AccountCopies", SECOND, declared),
        ("ScaleCommand", "Tell", THIRD, told),
    ]
}

#[test]
fn whatever_is_appended_has_a_level_of_its_own() {
    let later = later();
    for ((of, then), (same, now)) in OF_THE_FIRST.into_iter().zip(now()) {
        assert_eq!(of, same);
        let since = later.iter().filter(|(noun, ..)| *noun == of).map(|(_, variant, ..)| *variant);
        let expected: Vec<&str> = then.iter().copied().chain(since).collect();
        assert_eq!(now, expected, "of {of}: what is new has a level above 1 and a sample");
    }
    for (_, variant, level, sample) in later {
        assert!(level > FeatureLevel::FIRST, "{variant}");
        assert_eq!(sample.level(), level, "{variant}");
    }
}
