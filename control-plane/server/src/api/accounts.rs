//! Accounts at venues. Decides which are chosen, and refuses an adapter that is not built.

use super::{
    problems,
    resources::{Items, Kind, Listed, Options, Seen, page},
};
use tradewind_domain::{
    control::{
        Machine,
        copies::{AccountDeclaration, Copies},
        refusal::Noun,
        resource::{Declaration, Resource},
        row::AccountRow,
    },
    ids::{AccountId, ManagerId, Revision},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{AccountInfo, BrokerInfo, DeleteAccount, SelectAccounts},
};

/// The adapters that are built.
const ADAPTERS: [&str; 2] = ["sim", "kraken"];

pub(super) struct Accounts;

fn info(machine: &Machine, row: &AccountRow) -> AccountInfo {
    let brokers = machine.brokers_of(&row.account);
    let brokers =
        brokers.map(|row| BrokerInfo { shard: row.shard, assignment: row.assignment.clone() });
    AccountInfo {
        account: row.account.clone(),
        revision: row.revision,
        spec: machine.account_declaration(row),
        brokers: brokers.collect(),
    }
}

fn chosen(machine: &Machine, row: &AccountRow, select: &SelectAccounts) -> bool {
    let holds = |manager: &ManagerId| {
        let mut held = machine.brokers_of(&row.account).filter_map(|row| row.assignment.as_ref());
        held.any(|held| held.manager == *manager)
    };
    select.venue.as_ref().is_none_or(|venue| row.spec.venue == *venue)
        && select.customer.as_ref().is_none_or(|customer| row.spec.customers.contains(customer))
        && select.manager.as_ref().is_none_or(holds)
}

impl Options for DeleteAccount {
    fn release(&self) -> bool {
        self.release
    }
}

impl Kind for Accounts {
    const NOUN: Noun = Noun::Account;
    const ONE: &'static str = "/v1/accounts/{account}";
    type Id = AccountId;
    type Spec = AccountDeclaration;
    type Info = AccountInfo;
    type Options = DeleteAccount;

    fn check(spec: &AccountDeclaration) -> Result<(), Failure> {
        if ADAPTERS.contains(&spec.adapter.as_str()) {
            return Ok(());
        }
        Err(problems::adapter_not_built(&spec.adapter).into())
    }

    fn name(id: &AccountId) -> String {
        id.to_string()
    }

    fn path(id: &AccountId) -> String {
        format!("/v1/accounts/{id}")
    }

    fn resource(id: AccountId) -> Resource {
        Resource::Account(id)
    }

    fn declaration(account: AccountId, spec: &AccountDeclaration) -> Declaration {
        let (spec, copies) = spec.clone().parts();
        match copies {
            // What every level knows.
            Copies::One => Declaration::Account { account, spec },
            Copies::Two => Declaration::AccountCopies { account, spec, copies },
        }
    }

    fn item(machine: &Seen, id: &AccountId) -> Option<(Revision, AccountInfo)> {
        machine.account(id).map(|row| (row.revision, info(machine, row)))
    }
}

impl Listed for Accounts {
    const LIST: &'static str = "/v1/accounts";
    type Select = SelectAccounts;

    fn list(machine: &Seen, select: &SelectAccounts, stand: Stand) -> Result<Json<Items>, Failure> {
        let rows = machine.accounts_after(select.after.as_ref());
        let shown = |row: &&AccountRow| chosen(machine, row, select).then(|| info(machine, row));
        page(stand, select, rows, |row| row.account.to_string(), shown)
    }
}
