//! What has changed between two looks at the services. Decides how changes are told: each service that is new or
//! other than it was, and each that is gone, in the order of their names.

use tradewind_domain::ids::ServiceId;
use tradewind_protocol::supervision::ServiceReport;

/// Nearly all are of services: a pointer would save nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Service(ServiceReport),
    Gone(ServiceId),
}

/// Both in order of their names.
pub(super) fn changes(before: &[ServiceReport], after: &[ServiceReport]) -> Vec<Change> {
    let (mut old, mut changes) = (before.iter().peekable(), Vec::new());
    for report in after {
        while let Some(gone) = old.next_if(|old| old.service < report.service) {
            changes.push(Change::Gone(gone.service.clone()));
        }
        if old.next_if(|old| old.service == report.service) != Some(report) {
            changes.push(Change::Service(report.clone()));
        }
    }
    changes.extend(old.map(|gone| Change::Gone(gone.service.clone())));
    changes
}

/// What is kept here and what is here without having been started here, in the order of their names. What is kept
/// counts where both have a name.
pub(super) fn with_those_beside(
    mut kept: Vec<ServiceReport>,
    beside: &[ServiceReport],
) -> Vec<ServiceReport> {
    let others: Vec<_> = beside
        .iter()
        .filter(|report| kept.iter().all(|held| held.service != report.service))
        .cloned()
        .collect();
    kept.extend(others);
    kept.sort_by(|one, other| one.service.cmp(&other.service));
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_protocol::supervision::ServiceState;

    fn report(name: &str, crashes: u32) -> ServiceReport {
        ServiceReport {
            service: format!("trader.{name}").parse().unwrap(),
            state: ServiceState::Live,
            detail: String::new(),
            incarnation: None,
            pid: None,
            address: None,
            crashes,
            handed_back: None,
            fenced: Default::default(),
            venue: None,
            ledger: None,
        }
    }

    #[test]
    fn what_is_new_other_or_gone_is_told_and_nothing_else() {
        let all = |names: &[(&str, u32)]| -> Vec<ServiceReport> {
            names.iter().map(|(name, crashes)| report(name, *crashes)).collect()
        };
        let before = all(&[("a", 0), ("b", 0), ("d", 0), ("f", 0)]);
        let after = all(&[("b", 1), ("c", 0), ("d", 0)]);
        let gone = |name: &str| Change::Gone(format!("trader.{name}").parse().unwrap());
        let told = |name, crashes| Change::Service(report(name, crashes));
        let expected = [gone("a"), told("b", 1), told("c", 0), gone("f")];
        assert_eq!(changes(&before, &after), expected);
        assert_eq!(changes(&after, &after), []);
        assert_eq!(changes(&[], &after).len(), 3);
    }
}
