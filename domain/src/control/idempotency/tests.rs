//! Claims about what is remembered: nothing is applied twice, whatever is forgotten, and what is remembered
//! stays within its bounds.

use super::*;
use crate::{
    control::{
        Command, Machine, Request, Stamped,
        level::{FeatureLevel, LevelRow},
        machine::Applied,
        refusal::Refusal,
        state_hash::StateHash,
    },
    ids::{ClientId, Revision},
};
use alloc::{borrow::ToOwned as _, collections::BTreeSet, format, string::ToString};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn client(number: u8) -> ClientId {
    format!("c{number}").parse().expect("a legal name")
}

const TIGHT: Bounds = Bounds {
    window: Duration::from_secs(600),
    per_client: 4,
    answers: 7,
    // Also of those that are far ahead none may be applied twice.
    ahead: Duration::from_secs(200),
};

/// Clients with clocks up to five minutes off send new keys and repeat old ones, any of them at any time.
#[derive(Clone, Debug)]
enum Step {
    New { client: u8, skew: i64, n: u64 },
    Repeat { which: usize },
    Wait { seconds: u64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, -300_i64..300, 0..3_u64)
            .prop_map(|(client, skew, n)| Step::New { client, skew, n }),
        4 => any::<usize>().prop_map(|which| Step::Repeat { which }),
        1 => (0..400_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_key_is_applied_twice_whatever_was_forgotten(
        steps in prop::collection::vec(any_step(), 1..120)
    ) {
        let (mut tables, mut now) = (Tables::default(), 1_000_000 * SECOND);
        let (mut sent, mut applied) = (alloc::vec::Vec::<IdempotencyKey>::new(), BTreeSet::new());
        for step in steps {
            let key = match step {
                Step::Wait { seconds } => {
                    now += seconds * SECOND;
                    continue;
                }
                Step::New { client: number, skew, n } => {
                    let issued_at = UnixNanos(now.saturating_add_signed(skew * SECOND as i64));
                    IdempotencyKey { client: client(number), issued_at, n }
                }
                Step::Repeat { .. } if sent.is_empty() => continue,
                Step::Repeat { which } => sent[which % sent.len()].clone(),
            };
            sent.push(key.clone());
            now += SECOND;
            if matches!(look_up(&tables, &TIGHT, &key, None, UnixNanos(now)), Known::New) {
                prop_assert!(applied.insert(key.clone()), "applied twice: {key:?}");
                let outcome = Outcome::Refused { refusal: Refusal::NotEligible };
                remember(&mut tables, &TIGHT, &key, None, UnixNanos(now), &outcome);
            }
            prop_assert!(tables.answered.len() <= TIGHT.answers);
            prop_assert!(tables.clients.len() <= tables.answered.len());
            prop_assert!(tables.clients.values().all(|row| row.remembered <= TIGHT.per_client));
            prop_assert_eq!(tables.answered.len(), tables.answered.aged());
            prop_assert_eq!(tables.state_hash(), StateHash::of_rows(tables.rows()));
        }
    }
}

fn apply(machine: &mut Machine, key: &IdempotencyKey, at: UnixNanos) -> Applied {
    let (register, value) = ("x".parse().expect("a legal name"), at.to_string());
    let command = Command::PutRegister { register, value, expected: None };
    machine.apply(Revision(1), &Stamped { at, request: Request { key: key.clone(), command } })
}

/// Of a machine that holds as many answers as it may, all a minute old.
#[test]
fn at_the_bound_of_all_the_oldest_answer_goes_and_its_repeat_is_refused() {
    let begin = UnixNanos(1_000_000 * SECOND);
    let per_client = 16_000;
    let keys = |n: u64| IdempotencyKey {
        client: client((n / per_client) as u8),
        issued_at: UnixNanos(begin.0 + n),
        n,
    };
    let full = limits::IDEMPOTENCY_ANSWERS as u64;
    let outcome = Outcome::Accepted { revision: Revision(1) };
    let answered = (0..full).map(|n| {
        let (key, outcome) = (keys(n), outcome.clone());
        Row::Answered(AnsweredRow { key, applied_at: UnixNanos(begin.0 + n), outcome })
    });
    let clients = (0..=(full - 1) / per_client).map(|number| {
        let remembered = per_client.min(full - number * per_client) as u32;
        Row::Client(ClientRow { client: client(number as u8), remembered, evicted: None })
    });
    let mut machine = Machine::from_rows(answered.chain(clients));
    let now = UnixNanos(begin.0 + 60 * SECOND);
    let fresh = IdempotencyKey { client: client(200), issued_at: now, n: 0 };
    // given: every answer is remembered
    assert_eq!(apply(&mut machine, &keys(0), now).outcome, outcome);
    assert_eq!(machine.answered_from(), Some(begin));
    // when: one more comes
    let first = apply(&mut machine, &fresh, now).outcome;
    // then: the oldest is refused, the second oldest still answered, and the newest too
    let expired = Outcome::Refused { refusal: Refusal::KeyExpired };
    assert_eq!(apply(&mut machine, &keys(0), now).outcome, expired);
    assert_eq!(apply(&mut machine, &keys(1), now).outcome, outcome);
    assert_eq!(machine.answered_from(), Some(UnixNanos(begin.0 + 1)));
    assert_eq!(apply(&mut machine, &fresh, now).outcome, first);
    // and so it is after a restart, and for a client nobody has heard of
    let mut loaded = Machine::from_rows(machine.rows().collect::<alloc::vec::Vec<_>>());
    assert_eq!(loaded.state_hash(), machine.state_hash());
    assert_eq!(apply(&mut loaded, &keys(0), now).outcome, expired);
    let late = IdempotencyKey { client: client(201), issued_at: begin, n: 0 };
    assert_eq!(apply(&mut loaded, &late, now).outcome, expired);
}

/// Somebody fills the table with keys dated ahead, each of a client of its own, as fast as the table is made for,
/// while honest clients, whose clocks are off by what is allowed and whose requests took a while, go on.
#[test]
fn no_honest_client_is_refused_while_others_date_their_keys_ahead() {
    let (most_late, a_second) = (limits::KEY_LATE_MAX.as_secs(), 40);
    // As many as of a table at the rate that the limits promise, scaled down.
    let scale = limits::IDEMPOTENCY_ANSWERS as u64 / limits::COMMANDS_A_SECOND;
    let bounds = Bounds { answers: (scale * a_second) as usize, ..BOUNDS };
    for ahead in [1, 9, 10, 11, 60, 599] {
        let (mut tables, begin) = (Tables::default(), 1_000_000 * SECOND);
        let outcome = Outcome::Refused { refusal: Refusal::NotEligible };
        for step in 0..60 * a_second {
            let at = UnixNanos(begin + step * SECOND / a_second);
            let own = format!("hostile-{step}").parse().expect("a legal name");
            let key =
                IdempotencyKey { client: own, issued_at: UnixNanos(at.0 + ahead * SECOND), n: 0 };
            if matches!(look_up(&tables, &bounds, &key, None, at), Known::New) {
                remember(&mut tables, &bounds, &key, None, at, &outcome);
            }
            for (number, late) in [(1, 0), (2, most_late)] {
                let issued_at = UnixNanos(at.0 - late * SECOND);
                let key = IdempotencyKey { client: client(number), issued_at, n: step };
                let known = look_up(&tables, &bounds, &key, None, at);
                assert!(matches!(known, Known::New), "{ahead} s ahead, after {step}: {late} s old");
                if step % a_second == 0 {
                    remember(&mut tables, &bounds, &key, None, at, &outcome);
                }
            }
        }
    }
}

fn asked(n: u64, request: Option<&str>, value: &str) -> Stamped {
    let key = IdempotencyKey { client: client(1), issued_at: UnixNanos(SECOND), n };
    let (register, value) = ("x".parse().expect("a legal name"), value.to_owned());
    let command = Command::PutRegister { register, value, expected: None };
    let command = match request {
        None => command,
        Some(body) => Command::Asked {
            request: RequestHash::of("PUT", "/v1/registers/x", body.as_bytes()),
            command: alloc::boxed::Box::new(command),
        },
    };
    Stamped { at: UnixNanos(SECOND), request: Request { key, command } }
}

/// Of a state at the level of this build.
fn machine() -> Machine {
    let row = LevelRow { level: FeatureLevel::KNOWN, revision: Revision(1), since: UnixNanos(1) };
    Machine::from_rows([Row::Level(row)])
}

#[test]
fn a_key_that_answered_one_request_is_refused_for_another_and_nothing_is_done() {
    let (mut machine, used) = (machine(), Outcome::Refused { refusal: Refusal::KeyUsed });
    let register = |machine: &Machine| machine.register(&"x".parse().expect("legal")).cloned();
    // given
    let first = machine.apply(Revision(7), &asked(1, Some("a"), "a")).outcome;
    assert_eq!(first, Outcome::Accepted { revision: Revision(7) });
    // then: its repeat is answered, also by who does not say what was asked, and another is refused
    assert_eq!(machine.apply(Revision(8), &asked(1, Some("a"), "a")).outcome, first);
    assert_eq!(machine.apply(Revision(9), &asked(1, None, "a")).outcome, first);
    let before = register(&machine);
    let other = machine.apply(Revision(10), &asked(1, Some("b"), "b"));
    assert_eq!((other.outcome, other.events.len()), (used.clone(), 0));
    assert_eq!(register(&machine), before);
    // and: what was answered first stays so, after a restart too
    let rows = machine.rows().collect::<alloc::vec::Vec<_>>();
    let mut loaded = Machine::from_rows(rows);
    assert_eq!(loaded.state_hash(), machine.state_hash());
    assert_eq!(loaded.apply(Revision(11), &asked(1, Some("b"), "b")).outcome, used);
    assert_eq!(loaded.apply(Revision(12), &asked(1, Some("a"), "a")).outcome, first);
}

#[test]
fn an_answer_of_an_earlier_build_is_told_to_whoever_has_its_key_as_ever() {
    let mut machine = machine();
    let first = machine.apply(Revision(7), &asked(1, None, "a")).outcome;
    assert_eq!(machine.apply(Revision(8), &asked(1, Some("b"), "b")).outcome, first);
}

#[test]
fn before_all_builds_know_it_a_command_that_names_its_request_is_refused() {
    let mut machine = Machine::default();
    let outcome = machine.apply(Revision(7), &asked(1, Some("a"), "a")).outcome;
    let (needed, level) = (FeatureLevel::THIRD, FeatureLevel::FIRST);
    assert_eq!(outcome, Outcome::Refused { refusal: Refusal::LevelTooLow { needed, level } });
    // And none stands in another.
    let nested = |inner: Stamped| {
        let request = RequestHash::of("PUT", "/", b"");
        let command = alloc::boxed::Box::new(inner.request.command);
        let command = Command::Asked { request, command };
        Stamped { at: inner.at, request: Request { key: inner.request.key, command } }
    };
    let outcome = self::machine().apply(Revision(7), &nested(asked(2, Some("a"), "a"))).outcome;
    let refusal = Refusal::TooLarge { what: crate::control::refusal::Noun::Command };
    assert_eq!(outcome, Outcome::Refused { refusal });
}
