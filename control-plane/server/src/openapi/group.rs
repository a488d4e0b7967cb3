//! What is said of the addresses that are not of resources: status, events, drains, members, sessions, Managers, and
//! the test range.

use super::operation::Operation;
use crate::api::changes::TellMember;
use tradewind_domain::ids::{ClusterIncarnation, Revision};
use tradewind_protocol::{
    Code,
    attach::AttachTrader,
    check_in::{ManagerCheckIn, ManagerCheckedIn},
    control::{Changed, PROBES, Probed, PutRegister, RegisterAnswer, Stand, Status},
    drains::{BeginDrain, ChangeDrain, DrainTold, Drains},
    events::EventPage,
    members::{
        JoinMember, LeaderTransferred, MemberInfo, MemberJoined, MemberKnows, MemberMoved, Members,
        TransferLeader, VotersWanted,
    },
    rebalance::{AskRebalance, REBALANCE, RebalanceTold},
    session::{OpenTraderSession, SessionOpened},
};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, Response, ResponseBuilder,
    schema::{ObjectBuilder, Type},
};

pub(super) fn operations() -> Vec<Operation> {
    let mut all = seen();
    all.extend(told());
    all.extend(drains());
    all.extend(rebalance());
    all.extend(members());
    all.extend(sessions());
    all.extend(registers());
    all
}

/// A body that is not JSON.
fn plain(about: &str, media_type: &str) -> Response {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    let content = ContentBuilder::new().schema(Some(text)).build();
    ResponseBuilder::new().description(about).content(media_type, content).build()
}

fn seen() -> Vec<Operation> {
    let text = "text/plain; charset=utf-8";
    vec![
        Operation::get("/", "front", "status", "Who answers, and where to go on")
            .answers(200, plain("A few lines for people", text)),
        Operation::get("/livez", "livez", "status", "Whether the process is alive")
            .answers(200, plain("It is", text)),
        Operation::get("/readyz", "readyz", "status", "Whether it can serve")
            .query_flag("verbose", "With each of its checks")
            .answers(200, plain("It can", text))
            .answers(503, plain("It cannot, and why", text)),
        Operation::get("/metrics", "metrics", "status", "Prometheus metrics")
            .answers(200, plain("In the text format", text)),
        Operation::get("/v1/status", "status", "status", "Members, Managers, services, customers")
            .reads()
            .gives::<Status>(200, "As the leader sees it", "status"),
        Operation::get(PROBES, "probes", "status", "Which Managers this member reaches")
            .about("Asked by a leader that does not hear them: the brake.")
            .query::<String>("managers", "Their names, with commas between them")
            .gives::<Probed>(200, "Each that is registered, and whether it answered", "probed"),
        Operation::get("/v1/revision", "revision", "status", "How the group stands")
            .reads()
            .gives::<Stand>(200, "Term, revision and leader", "stand"),
        Operation::get("/v1/snapshot", "snapshot", "status", "A backup of the whole state")
            .answers(
                200,
                plain("A checked file; see `tradewind snapshot`", "application/octet-stream"),
            )
            .refuses(&[Code::TooManyRequests, Code::Unavailable, Code::NoLeader]),
    ]
}

fn told() -> Vec<Operation> {
    let about = "As a WebSocket it goes on with what happens next (frames: docs/protocol/events.md); without an upgrade \
                 it answers with a page.";
    let upgraded = ResponseBuilder::new()
        .description("Upgraded to a WebSocket: `hello`, `events`, `beat`, `end`")
        .build();
    vec![
        Operation::get("/v1/events", "events", "events", "What happened after a revision")
            .about(about)
            .query::<Revision>(
                "since",
                "The last revision that was seen; without it all that is kept",
            )
            .query::<ClusterIncarnation>("cluster", "The life of the cluster that `since` is of")
            .query_number("limit", "Entries of a page", 1_000)
            .query::<String>("kinds", "Only events of these names, with commas between them")
            .query::<String>(
                "about",
                "Only events in which this name stands, whole or between dots",
            )
            .answers(101, upgraded)
            .gives::<EventPage>(200, "A page", "event_page")
            .refuses(&[Code::MalformedRequest, Code::Gone, Code::NoLeader, Code::TooManyRequests]),
        Operation::get("/v1/state", "state", "events", "The whole state, to go on from")
            .reads()
            .answers(
                200,
                plain(
                    "JSON lines: `{term,revision,leader,hash}`, a row a line, `{end}`",
                    "application/jsonl",
                ),
            ),
    ]
}

fn rebalance() -> Vec<Operation> {
    let change = |method, id: &str, summary: &str| {
        Operation::change(REBALANCE, method, id, "drains", summary)
            .takes::<AskRebalance>("ask_rebalance")
    };
    vec![
        Operation::get(REBALANCE, "get_rebalance", "drains", "What would be moved, and what is")
            .reads()
            .gives_tagged::<RebalanceTold>(
                "As the leader sees it; `ETag` has the epoch of the one under way",
                "rebalance_told",
            ),
        change(HttpMethod::Post, "begin_rebalance", "Move what would be moved")
            .gives::<Changed>(
                202,
                "Begun; of one that is under way, the entry that began it",
                "changed",
            )
            .refuses(&[Code::Conflict, Code::Refused]),
        change(HttpMethod::Delete, "cancel_rebalance", "Leave where it is what has not moved")
            .conditional()
            .gives::<Changed>(200, "Cancelled", "changed")
            .refuses(&[Code::NotFound, Code::Conflict, Code::Refused]),
    ]
}

fn drains() -> Vec<Operation> {
    let begin = |path, id: &str, summary: &str| {
        Operation::change(path, HttpMethod::Post, id, "drains", summary)
            .conditional()
            .takes::<BeginDrain>("begin_drain")
            .gives::<Changed>(202, "Committed; `Location` says where to look", "changed")
            .refuses(&[Code::NotFound, Code::Conflict, Code::Refused])
    };
    let change = |path, method, id: &str, summary: &str| {
        Operation::change(path, method, id, "drains", summary)
            .conditional()
            .takes::<ChangeDrain>("change_drain")
            .gives::<Changed>(200, "Done", "changed")
            .refuses(&[Code::NotFound, Code::Conflict, Code::Refused])
    };
    vec![
        begin(
            "/v1/implementations/{implementation}/drain",
            "drain_implementation",
            "Empty an implementation",
        ),
        begin("/v1/managers/{manager}/drain", "drain_manager", "Empty a Manager"),
        Operation::get("/v1/drains", "list_drain", "drains", "All drains")
            .reads()
            .query::<Revision>("after", "Of one drain alone: answered once it has changed since")
            .gives::<Drains>(200, "How far they are", "drains"),
        Operation::get("/v1/drains/{target}", "get_drain", "drains", "One drain")
            .reads()
            .query::<Revision>("after", "Answered once it has changed since, or after a while")
            .gives_tagged::<DrainTold>("How far it is", "drain_told")
            .refuses(&[Code::NotFound]),
        change("/v1/drains/{target}", HttpMethod::Delete, "cancel_drain", "Active again"),
        change(
            "/v1/drains/{target}/force",
            HttpMethod::Post,
            "force_drain",
            "Count it as drained, whatever is still there",
        ),
        change(
            "/v1/drains/{target}/abandon",
            HttpMethod::Post,
            "abandon_accounts",
            "Give up the accounts there: their Brokers begin elsewhere with empty ledgers",
        ),
        change(
            "/v1/drains/{target}/drop",
            HttpMethod::Put,
            "reschedule_drop",
            "When it is dropped",
        ),
    ]
}

fn members() -> Vec<Operation> {
    let change = |path, method, id: &str, summary: &str| {
        Operation::change(path, method, id, "members", summary)
    };
    vec![
        Operation::get("/v1/members", "list_member", "members", "All members")
            .reads()
            .gives::<Members>(200, "As the leader knows them", "members"),
        Operation::get("/v1/members/{node}", "get_member", "members", "One member")
            .reads()
            .gives::<MemberInfo>(200, "As the leader knows it", "member")
            .refuses(&[Code::NotFound]),
        change("/v1/members", HttpMethod::Post, "join_member", "An empty disk asks to be a member")
            .takes::<JoinMember>("join_member")
            .gives::<MemberJoined>(200, "Its number from now on", "member_joined")
            .refuses(&[Code::Conflict, Code::Busy, Code::Refused]),
        change("/v1/members/{node}", HttpMethod::Put, "tell_member", "A member tells of itself")
            .takes::<TellMember>("tell_member")
            .gives::<Changed>(200, "Known", "changed")
            .refuses(&[Code::NotFound, Code::Refused]),
        change("/v1/members/{node}", HttpMethod::Delete, "remove_member", "Remove a member")
            .audited()
            .query_flag("force", "Also where the voters that remain are too few to decide")
            .gives::<Changed>(202, "Committed; the leader does it step by step", "changed")
            .refuses(&[Code::NotFound, Code::Conflict, Code::Busy]),
        change(
            "/v1/members/{node}/address",
            HttpMethod::Put,
            "move_member",
            "A member is elsewhere now",
        )
        .takes::<MemberMoved>("member_moved")
        .gives::<Changed>(200, "Known", "changed")
        .refuses(&[Code::NotFound, Code::Conflict, Code::Gone, Code::Refused]),
        change(
            "/v1/members/{node}/level",
            HttpMethod::Put,
            "tell_member_level",
            "A member tells what its build understands",
        )
        .takes::<MemberKnows>("member_knows")
        .gives::<Changed>(200, "Known", "changed")
        .refuses(&[Code::NotFound, Code::Refused]),
        change(
            "/v1/members/voters-wanted",
            HttpMethod::Put,
            "want_voters",
            "Up to so many voters learners are promoted",
        )
        .audited()
        .takes::<VotersWanted>("voters_wanted")
        .gives::<Changed>(200, "Wanted", "changed")
        .refuses(&[Code::Busy, Code::Refused]),
        change(
            "/v1/leader/transfer",
            HttpMethod::Post,
            "transfer_leader",
            "Another member is to lead",
        )
        .audited()
        .takes::<TransferLeader>("transfer_leader")
        .gives::<LeaderTransferred>(200, "It leads", "leader_transferred")
        .refuses(&[Code::NotFound, Code::Conflict]),
    ]
}

fn sessions() -> Vec<Operation> {
    vec![
        Operation::post("/v1/sessions", "open_session", "sessions", "A session for an API key")
            .about("With a session token that is still good in place of the key it is renewed.")
            .bearer()
            .gives::<SessionOpened>(
                200,
                "A token, and the Managers to use in order",
                "session_opened",
            ),
        Operation::post(
            "/v1/traders/{trader}/sessions",
            "open_trader_session",
            "sessions",
            "A TraderManager's session for a Trader it was given",
        )
        .takes::<OpenTraderSession>("open_trader_session")
        .gives::<SessionOpened>(200, "A token for that copy of the Trader", "session_opened")
        .refuses(&[Code::NotFound, Code::StaleEpoch, Code::Forbidden, Code::NoLeader]),
        Operation::change(
            "/v1/traders/{trader}/attachments",
            HttpMethod::Post,
            "attach_trader",
            "sessions",
            "A TraderManager asks for the right of a copy that its customer runs himself",
        )
        .takes::<AttachTrader>("attach_trader")
        .gives::<Changed>(200, "It has the right of the entry, or the one it had", "changed")
        .refuses(&[Code::NotFound, Code::StaleTrader, Code::Conflict, Code::Refused]),
        Operation::change(
            "/v1/managers/check-in",
            HttpMethod::Post,
            "check_in",
            "managers",
            "A Manager is there",
        )
        .takes::<ManagerCheckIn>("manager_check_in")
        .gives::<ManagerCheckedIn>(200, "Registered under this fence", "manager_checked_in")
        .refuses(&[Code::Superseded, Code::OtherDisk, Code::Dropped, Code::Refused]),
    ]
}

/// A test range; off unless the member was started with `--enable-registers`.
fn registers() -> Vec<Operation> {
    let path = "/v1/registers/{register}";
    let write = |path, method, id: &str, summary: &str| {
        Operation::change(path, method, id, "registers", summary)
            .takes::<PutRegister>("put_register")
            .gives::<Changed>(200, "Written", "changed")
            .refuses(&[Code::NotFound, Code::Conflict, Code::Refused])
    };
    vec![
        Operation::get(path, "get_register", "registers", "The value of a register")
            .reads()
            .gives::<RegisterAnswer>(200, "`null` if there is none", "register_answer")
            .refuses(&[Code::NotFound]),
        write(path, HttpMethod::Put, "put_register", "Write a register"),
        write(
            "/v1/registers/{register}/cas",
            HttpMethod::Post,
            "compare_and_set_register",
            "Write a register over a value that must be there",
        ),
    ]
}
