//! Claims about what a session has seen of its streams, and what it asks for again.
#![allow(clippy::unwrap_used)]
use super::*;

fn fills() -> Topic {
    Topic::Fills { account: AccountId::new("sim-1").unwrap() }
}

fn at(epoch: &str, seq: u64) -> Position {
    Position { epoch: StreamEpoch::new(epoch).unwrap(), seq }
}

fn subscribed_at(seq: u64) -> Subscriptions {
    let mut subscriptions = Subscriptions::default();
    let (opened, _) = oneshot::channel();
    subscriptions.add(fills(), Sink::Nobody, opened);
    subscriptions.opened(&fills(), Mode::Live, Some(at("e", seq)));
    subscriptions
}

fn judge(subscriptions: &mut Subscriptions, epoch: &str, seq: u64, prev: u64) -> Verdict {
    subscriptions.judge(&fills(), &StreamEpoch::new(epoch).unwrap(), seq, prev)
}

#[test]
fn what_was_seen_is_not_handed_over_again() {
    let mut subscriptions = subscribed_at(5);
    assert_eq!(judge(&mut subscriptions, "e", 7, 4), Verdict::New);
    assert_eq!(judge(&mut subscriptions, "e", 7, 4), Verdict::Seen);
    assert_eq!(judge(&mut subscriptions, "e", 9, 7), Verdict::New);
}

#[test]
fn a_hole_shows_at_the_next_event_unless_it_was_told() {
    let mut subscriptions = subscribed_at(5);
    assert_eq!(judge(&mut subscriptions, "e", 9, 7), Verdict::AfterUntoldGap);
    subscriptions.gap_told(&fills());
    assert_eq!(judge(&mut subscriptions, "e", 20, 15), Verdict::New);
    assert_eq!(judge(&mut subscriptions, "other", 3, 2), Verdict::AfterUntoldGap);
}

#[test]
fn a_new_connection_resumes_private_streams_from_the_last_number() {
    let mut subscriptions = subscribed_at(5);
    judge(&mut subscriptions, "e", 6, 5);
    let FromAlgo::Subscribe { from, .. } = subscriptions.resume().remove(0) else { panic!() };
    assert_eq!(from, Some(at("e", 6)));
    subscriptions.opened(&fills(), Mode::Replay, Some(at("e", 9)));
    assert_eq!(judge(&mut subscriptions, "e", 7, 6), Verdict::New);
}

#[test]
fn a_server_that_does_not_resume_hides_no_hole() {
    let mut subscriptions = subscribed_at(5);
    subscriptions.opened(&fills(), Mode::Live, Some(at("e", 9)));
    let stand = StreamStand { topic: fills(), position: at("e", 9) };
    assert!(!subscriptions.is_whole(&[stand]));
    assert_eq!(judge(&mut subscriptions, "e", 10, 9), Verdict::AfterUntoldGap);
}

#[test]
fn a_ledger_built_anew_is_read_from_its_beginning_and_no_execution_twice() {
    let mut subscriptions = subscribed_at(5);
    let exec = ExecId::new("x-1").unwrap();
    let [one, other] = ["sim-1", "sim-2"].map(|name| AccountId::new(name).unwrap());
    assert!(subscriptions.first_time(&one, &exec));
    assert!(subscriptions.first_time(&other, &exec), "another venue's name for something else");
    subscriptions.opened(&fills(), Mode::Snapshot, Some(at("new", 3)));
    assert_eq!(judge(&mut subscriptions, "new", 1, 0), Verdict::New);
    assert!(!subscriptions.first_time(&one, &exec));
}

#[test]
fn an_account_that_is_learned_of_is_read_from_its_beginning_by_all_who_read_the_others() {
    let mut subscriptions = Subscriptions::default();
    let (reader, _read) = mpsc::channel(8);
    for account in ["sim-1", "sim-2"] {
        let account = AccountId::new(account).unwrap();
        for (topic, sink) in [
            (Topic::Fills { account: account.clone() }, Sink::Fills(reader.clone())),
            (Topic::Orders { account }, Sink::Nobody),
        ] {
            subscriptions.add(topic, sink, oneshot::channel().0);
        }
    }
    let account = AccountId::new("new-1").unwrap();
    // when
    let frames = subscriptions.follow(&account);
    // then
    assert_eq!(frames.len(), 2);
    let from_the_beginning = |frame: &FromAlgo| match frame {
        FromAlgo::Subscribe { from: Some(from), .. } => from.epoch.as_str() == "none",
        _ => false,
    };
    assert!(frames.iter().all(from_the_beginning), "{frames:?}");
    let topic = Topic::Fills { account: account.clone() };
    assert_eq!(subscriptions.sinks(&topic).len(), 1, "one reader, however many accounts");
    assert!(subscriptions.follow(&account).is_empty(), "once");
    // lost before it was opened, it is asked for from the beginning again
    let again = subscriptions.resume();
    let asks = |frame: &&FromAlgo| match frame {
        FromAlgo::Subscribe { account: Some(of), .. } => *of == account,
        _ => false,
    };
    assert!(again.iter().filter(asks).all(from_the_beginning), "{again:?}");
    subscriptions.opened(&topic, Mode::Snapshot, Some(at("e", 3)));
    let first = subscriptions.judge(&topic, &StreamEpoch::new("e").unwrap(), 1, 0);
    assert_eq!(first, Verdict::New);
}

#[test]
fn nothing_is_whole_while_a_private_stream_is_not_named_or_not_reached() {
    let mut subscriptions = subscribed_at(5);
    let stand = |seq| vec![StreamStand { topic: fills(), position: at("e", seq) }];
    assert!(subscriptions.is_whole(&stand(5)));
    assert!(!subscriptions.is_whole(&stand(6)));
    assert!(!subscriptions.is_whole(&[]));
    judge(&mut subscriptions, "e", 6, 5);
    assert!(subscriptions.is_whole(&stand(6)));
}
