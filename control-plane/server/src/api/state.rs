//! `GET /v1/state`: the whole state at one revision, row by row as JSON lines: where a watcher starts again.
//! Decides what is left out: the answered commands, which are of use to nobody else, and the hashes of API
//! keys, of which their ids are told.

use crate::service::Service;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::spawn_blocking};
use tradewind_domain::control::{Machine, Row, StateHash};
use tradewind_link::{Failure, json::Query};
use tradewind_protocol::control::{ReadOptions, Stand};

/// The first line. `revision` is that of the state: events after it are what is new.
#[derive(Serialize)]
struct Head {
    #[serde(flatten)]
    stand: Stand,
    hash: StateHash,
}

/// Lines of one piece of the answer, and pieces on their way: a slow reader holds no more than that.
const LINES_A_PIECE: usize = 256;
const PIECES: usize = 4;

pub(super) async fn state(
    State(service): State<Service>,
    Query(options): Query<ReadOptions>,
) -> Result<Response, Failure> {
    let stand = service.read_here(options.consistency).await?;
    let (revision, machine) = service.machine();
    let head = Head { stand: Stand { revision, ..stand }, hash: machine.state_hash() };
    let (pieces, written) = mpsc::channel::<Bytes>(PIECES);
    spawn_blocking(move || write(&machine, &head, &pieces));
    let body = stream::unfold(written, |mut written| async move {
        let piece = written.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), written))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

/// Away from the runtime: a reader who has gone ends it.
fn write(machine: &Machine, head: &Head, pieces: &mpsc::Sender<Bytes>) -> Option<()> {
    let mut piece = Vec::new();
    line(&mut piece, head)?;
    let (mut lines, mut rows) = (1, 0_u64);
    for row in machine.rows().filter_map(shown) {
        line(&mut piece, &row)?;
        (lines, rows) = (lines + 1, rows + 1);
        if lines % LINES_A_PIECE == 0 {
            pieces.blocking_send(std::mem::take(&mut piece).into()).ok()?;
        }
    }
    // Without this line the answer is not whole.
    line(&mut piece, &json!({ "end": rows }))?;
    pieces.blocking_send(piece.into()).ok()
}

fn line(piece: &mut Vec<u8>, value: &impl Serialize) -> Option<()> {
    serde_json::to_writer(&mut *piece, value).ok()?;
    piece.push(b'\n');
    Some(())
}

fn shown(row: Row) -> Option<Value> {
    Some(match row {
        Row::Answered(_) | Row::AnsweredTo(_) | Row::Client(_) | Row::Forgotten(_) => return None,
        Row::Customer(row) => {
            let keys: Vec<String> = row.spec.key_hashes.iter().map(|hash| hash.key_id()).collect();
            json!({"customer": {
                "customer": row.customer, "key_ids": keys, "revision": row.revision,
                "affinity": row.affinity, "affinity_version": row.affinity_version,
            }})
        }
        Row::Cluster(row) => json!({ "cluster": row }),
        Row::Member(row) => json!({ "member": row }),
        Row::Manager(row) => json!({ "manager": row }),
        Row::Account(row) => json!({ "account": row }),
        Row::Broker(row) => json!({ "broker": row }),
        Row::Market(row) => json!({ "market": row }),
        Row::Trader(row) => json!({ "trader": row }),
        Row::Register(row) => json!({ "register": row }),
        Row::Group(row) => json!({ "group": row }),
        Row::Admission(row) => json!({ "admission": row }),
        Row::Location(row) => json!({ "location": row }),
        Row::Exchange(row) => json!({ "exchange": row }),
        Row::Drain(row) => json!({ "drain": row }),
        Row::Dropped(row) => json!({ "dropped": row }),
        Row::Rebalance(row) => json!({ "rebalance": row }),
        Row::Risk(row) => json!({ "risk": row }),
        Row::TradingState(row) => json!({ "trading_state": row }),
        Row::Scale(row) => json!({ "scale": row }),
        Row::Provision(row) => json!({ "provision": row }),
        Row::HandedBack(row) => json!({ "handed_back": row }),
        Row::ManagerDisk(row) => json!({ "manager_disk": row }),
        Row::FormerVenues(row) => json!({ "former_venues": row }),
        Row::TraderRun(row) => json!({ "trader_run": row }),
        Row::Fencing(row) => json!({ "fencing": row }),
        Row::Level(row) => json!({ "level": row }),
        Row::MemberLevel(row) => json!({ "member_level": row }),
        Row::ManagerLevel(row) => json!({ "manager_level": row }),
        Row::HoursUnknown(row) => json!({ "hours_unknown": row }),
        Row::Attachment(row) => json!({ "attachment": row }),
        Row::Copies(row) => json!({ "copies": row }),
        Row::Abandoned(row) => json!({ "abandoned": row }),
    })
}
