//! The table of answered commands. Decides whether a key is new, repeated or too old to tell, and what
//! is forgotten when: by age (`limits::IDEMPOTENCY_WINDOW`), by number a client
//! (`limits::IDEMPOTENCY_PER_CLIENT`) and by number in all (`limits::IDEMPOTENCY_ANSWERS`, which bounds the
//! clients too: one is known only while an answer of his is). What cannot be told is refused, never applied:
//! every key that was forgotten is too old, at or below its client's mark, or at or below the mark of all.

use super::{
    answered::Remembered,
    asked::RequestHash,
    command::IdempotencyKey,
    machine::Outcome,
    row::{AnsweredRow, ClientRow, ForgottenRow, Row},
    table::Tables,
};
use crate::{limits, time::UnixNanos};
use core::time::Duration;

/// How much is remembered. The tests draw tighter ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) window: Duration,
    pub(super) per_client: u32,
    pub(super) answers: usize,
    pub(super) ahead: Duration,
}

pub(super) const BOUNDS: Bounds = Bounds {
    window: limits::IDEMPOTENCY_WINDOW,
    per_client: limits::IDEMPOTENCY_PER_CLIENT,
    answers: limits::IDEMPOTENCY_ANSWERS,
    ahead: limits::KEY_AHEAD_MAX,
};

pub(super) enum Known {
    New,
    Answered(Outcome),
    /// By another request.
    Used,
    /// Older than what is remembered: it may have been applied.
    Expired,
    /// Issued so far ahead of the log's clock that the mark of all, once it had risen there, would stand in the way
    /// of clients whose clocks are right.
    FromFuture,
}

pub(super) fn look_up(
    tables: &Tables,
    bounds: &Bounds,
    key: &IdempotencyKey,
    request: Option<RequestHash>,
    at: UnixNanos,
) -> Known {
    // A client is known as long as an answer of his is remembered.
    let client = tables.clients.get(&key.client);
    let answer = client.and_then(|row| tables.answered.get(&named_as(row, key)));
    if let Some(row) = answer {
        // Who did not say what was asked for is believed.
        let same = row.request.zip(request).is_none_or(|(one, other)| one == other);
        return if same { Known::Answered(row.answered.outcome.clone()) } else { Known::Used };
    }
    let evicted = client.and_then(|client| client.evicted);
    let below_mark = evicted.is_some_and(|mark| (key.issued_at, key.n) <= mark);
    let below_all = tables.forgotten.as_ref().is_some_and(|row| key.issued_at <= row.up_to);
    if below_mark || below_all || at.since(key.issued_at) >= bounds.window {
        return Known::Expired;
    }
    if key.issued_at.since(at) > bounds.ahead {
        return Known::FromFuture;
    }
    Known::New
}

pub(super) fn remember(
    tables: &mut Tables,
    bounds: &Bounds,
    key: &IdempotencyKey,
    request: Option<RequestHash>,
    at: UnixNanos,
    outcome: &Outcome,
) {
    let mut client = client_of(tables, key);
    client.remembered += 1;
    let (full, key) = (client.remembered > bounds.per_client, named_as(&client, key));
    tables.put(Row::Client(client));
    let answered = AnsweredRow { key: key.clone(), applied_at: at, outcome: outcome.clone() };
    tables.put(Remembered { answered, request }.row());
    if full {
        forget_oldest_of(tables, &key);
    }
    forget_aged(tables, bounds, at);
    forget_excess(tables, bounds);
}

/// The key with the client's name as it stands in his row: where two names are one text in memory, their
/// letters are not compared.
fn named_as(row: &ClientRow, key: &IdempotencyKey) -> IdempotencyKey {
    IdempotencyKey { client: row.client.clone(), issued_at: key.issued_at, n: key.n }
}

fn client_of(tables: &Tables, key: &IdempotencyKey) -> ClientRow {
    tables.clients.get(&key.client).cloned().unwrap_or_else(|| ClientRow {
        client: key.client.clone(),
        remembered: 0,
        evicted: None,
    })
}

fn forget_oldest_of(tables: &mut Tables, key: &IdempotencyKey) {
    if let Some(oldest) = tables.answered.first_of(&key.client) {
        forget(tables, &oldest);
    }
}

/// At most two a command, so that no command pays for many; the table still shrinks, since each
/// command adds only one.
fn forget_aged(tables: &mut Tables, bounds: &Bounds, at: UnixNanos) {
    for _ in 0..2 {
        match tables.answered.oldest_from() {
            Some(from) if at.since(from) > bounds.window => {}
            _ => return,
        }
        let Some(key) = tables.answered.oldest() else { return };
        forget(tables, &key);
    }
}

/// The oldest of all goes, and the mark of all rises to it. One a command would do; a table that was longer
/// under another version shrinks.
fn forget_excess(tables: &mut Tables, bounds: &Bounds) {
    for _ in 0..2 {
        if tables.answered.len() <= bounds.answers {
            return;
        }
        let Some(key) = tables.answered.oldest() else { return };
        let held = tables.forgotten.as_ref().map_or(UnixNanos(0), |row| row.up_to);
        let up_to = held.max(key.issued_at);
        tables.put(Row::Forgotten(ForgottenRow { up_to }));
        forget(tables, &key);
    }
}

fn forget(tables: &mut Tables, key: &IdempotencyKey) {
    tables.forget_answer(key);
    let mut client = client_of(tables, key);
    client.remembered = client.remembered.saturating_sub(1);
    client.evicted = client.evicted.max(Some((key.issued_at, key.n)));
    if client.remembered == 0 {
        // Every key at or below its mark is refused without it: it was issued before the client's last
        // answer, which went because it was older than the window or than the mark of all.
        tables.forget_client(&client.client);
    } else {
        tables.put(Row::Client(client));
    }
}

#[cfg(test)]
mod tests;
