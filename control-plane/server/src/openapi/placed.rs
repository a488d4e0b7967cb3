//! What is said of the addresses of what is registered and placed.

use super::operation::Operation;
use tradewind_domain::ids::{
    AccountId, BrokerId, ImplementationId, LocationId, ManagerId, ManagerKind, VenueId,
};
use tradewind_protocol::placed::{
    BrokerTold, ImplementationInfo, ManagerInfo, ManagerStanding, ServiceStanding,
};

const ABOUT: &str = "Told by the leader, whoever is asked; with `consistency=stale` the member that is asked tells what \
stands in its state, without what is seen.";

pub(super) fn operations() -> Vec<Operation> {
    let managers = Operation::get("/v1/managers", "list_manager", "managers", "List of Managers")
        .about(ABOUT)
        .pages::<ManagerId>()
        .gives_page::<ManagerInfo>(Some("managers"))
        .query::<LocationId>("location", "In this location")
        .query::<ImplementationId>("implementation", "Of this implementation")
        .query::<ManagerKind>("kind", "Of this kind")
        .query::<ManagerStanding>("state", "In this state");
    let path = "/v1/managers/{manager}";
    let manager = Operation::get(path, "get_manager", "managers", "One of the Managers")
        .about(ABOUT)
        .reads()
        .gives_seen::<ManagerInfo>("manager");
    let path = "/v1/implementations";
    let summary = "List of implementations";
    let implementations = Operation::get(path, "list_implementation", "managers", summary)
        .about(ABOUT)
        .pages::<ImplementationId>()
        .gives_page::<ImplementationInfo>(None)
        .query::<LocationId>("location", "Of which a Manager is in this location");
    let path = "/v1/implementations/{implementation}";
    let summary = "One of the implementations";
    let implementation = Operation::get(path, "get_implementation", "managers", summary)
        .about(ABOUT)
        .reads()
        .gives_seen::<ImplementationInfo>("implementation");
    let brokers = Operation::get("/v1/brokers", "list_broker", "managers", "List of Brokers")
        .about(ABOUT)
        .pages::<BrokerId>()
        .gives_page::<BrokerTold>(None)
        .query::<AccountId>("account", "Of this account")
        .query::<VenueId>("venue", "At this venue")
        .query::<ManagerId>("manager", "Given to this BrokerManager")
        .query::<ServiceStanding>("state", "In this state");
    let path = "/v1/brokers/{broker}";
    let broker = Operation::get(path, "get_broker", "managers", "One of the Brokers")
        .about(ABOUT)
        .reads()
        .gives_seen::<BrokerTold>("broker");
    vec![managers, manager, implementations, implementation, brokers, broker]
}
