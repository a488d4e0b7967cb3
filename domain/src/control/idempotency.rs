//! The table of answered commands. Decides whether a key is new, repeated or too old to tell, and what
//! is forgotten when: by age (`limits::IDEMPOTENCY_WINDOW`) and by number a client
//! (`limits::IDEMPOTENCY_PER_CLIENT`). What cannot be told is refused, never applied.

use super::{
    command::IdempotencyKey,
    machine::Outcome,
    row::{AnsweredRow, ClientRow, Row},
    table::Tables,
};
use crate::{limits, time::UnixNanos};

pub(super) enum Known {
    New,
    Answered(Outcome),
    /// Older than what is remembered: it may have been applied.
    Expired,
    /// Issued so far ahead of the log's clock that it could not be remembered for long enough.
    FromFuture,
}

pub(super) fn look_up(tables: &Tables, key: &IdempotencyKey, at: UnixNanos) -> Known {
    if let Some(row) = tables.answered.get(key) {
        return Known::Answered(row.outcome.clone());
    }
    let evicted = tables.clients.get(&key.client).and_then(|client| client.evicted);
    let below_mark = evicted.is_some_and(|mark| (key.issued_at, key.n) <= mark);
    if below_mark || at.since(key.issued_at) >= limits::IDEMPOTENCY_WINDOW {
        return Known::Expired;
    }
    if key.issued_at.since(at) > limits::IDEMPOTENCY_WINDOW {
        return Known::FromFuture;
    }
    Known::New
}

pub(super) fn remember(
    tables: &mut Tables,
    key: &IdempotencyKey,
    at: UnixNanos,
    outcome: &Outcome,
) {
    let mut client = client_of(tables, key);
    client.remembered += 1;
    let full = client.remembered > limits::IDEMPOTENCY_PER_CLIENT;
    tables.put(Row::Client(client));
    tables.put(Row::Answered(AnsweredRow {
        key: key.clone(),
        applied_at: at,
        outcome: outcome.clone(),
    }));
    if full {
        forget_oldest_of(tables, key);
    }
    forget_aged(tables, at);
}

fn client_of(tables: &Tables, key: &IdempotencyKey) -> ClientRow {
    tables.clients.get(&key.client).cloned().unwrap_or_else(|| ClientRow {
        client: key.client.clone(),
        remembered: 0,
        evicted: None,
    })
}

fn forget_oldest_of(tables: &mut Tables, key: &IdempotencyKey) {
    let first = IdempotencyKey { client: key.client.clone(), issued_at: UnixNanos(0), n: 0 };
    let oldest = tables.answered.range(first..).next().map(|(oldest, _)| oldest.clone());
    if let Some(oldest) = oldest {
        forget(tables, &oldest);
    }
}

/// At most two a command, so that no command pays for many; the table still shrinks, since each
/// command adds only one.
fn forget_aged(tables: &mut Tables, at: UnixNanos) {
    for _ in 0..2 {
        let oldest = tables.answered_by_age.get_min().cloned();
        match oldest {
            Some((from, key)) if at.since(from) > limits::IDEMPOTENCY_WINDOW => {
                forget(tables, &key);
            }
            _ => return,
        }
    }
}

fn forget(tables: &mut Tables, key: &IdempotencyKey) {
    tables.forget_answer(key);
    let mut client = client_of(tables, key);
    client.remembered = client.remembered.saturating_sub(1);
    client.evicted = client.evicted.max(Some((key.issued_at, key.n)));
    if client.remembered == 0 {
        // Every key at or below the mark is older than the window by now, and refused for that.
        tables.forget_client(&client.client);
    } else {
        tables.put(Row::Client(client));
    }
}
