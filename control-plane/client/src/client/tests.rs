//! Claims about asking the group, over real sockets: scripted members on loopback.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::keys::KeySource;
use axum::{Router, body::Bytes, http::HeaderMap, response::IntoResponse as _};
use std::sync::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{control::row::CustomerSpec, ids::Revision, time::UnixNanos};
use tradewind_link::{Failure, json::Json, listen};
use tradewind_protocol::control::{CLUSTER, REVISION, Stand, TERM};

const WITHIN: Duration = Duration::from_secs(2);

/// What a scripted member answers.
#[derive(Clone, Copy)]
enum Script {
    Accept,
    Say(Code),
    Silent,
    /// As a member of this life.
    In(u64, Code),
    AcceptIn(u64),
    /// As a member of an earlier build, which does not say where it is.
    Earlier(Code),
}

struct Member {
    address: String,
    /// Keys of the requests that arrived.
    heard: Arc<Mutex<Vec<String>>>,
    _shutdown: tokio_util::sync::DropGuard,
}

impl Member {
    async fn that(script: Script) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let shutdown = CancellationToken::new();
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let keys = heard.clone();
        let router = Router::new().fallback(move |headers: HeaderMap, _: Bytes| {
            let key = headers.get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap().to_owned());
            keys.lock().unwrap().push(key.unwrap_or_default());
            async move {
                match script {
                    Script::Accept => Json(accepted()).into_response(),
                    Script::Say(code) => Failure::new(code, "as told").into_response(),
                    Script::Silent => std::future::pending().await,
                    Script::AcceptIn(life) => {
                        let mut said = Json(accepted()).into_response();
                        said.headers_mut().insert(CLUSTER, life.into());
                        said
                    }
                    Script::Earlier(code) => {
                        let mut said = Failure::new(code, "as told").into_response();
                        said.headers_mut().insert(TERM, 3_u64.into());
                        said.headers_mut().insert(REVISION, 7_u64.into());
                        said
                    }
                    Script::In(life, code) => {
                        let mut said = Failure::new(code, "as told").into_response();
                        said.headers_mut().insert(CLUSTER, life.into());
                        said
                    }
                }
            }
        });
        let served = listen::serve(listener, router, listen::Limits::default(), shutdown.clone());
        tokio::spawn(served);
        Self { address, heard, _shutdown: shutdown.drop_guard() }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

fn accepted() -> Changed {
    Changed { stand: Stand::default(), applied: Revision(7) }
}

fn key() -> IdempotencyKey {
    KeySource::new("test".parse().unwrap(), Arc::new(|| UnixNanos(5))).next()
}

async fn put(client: &ControlClient, key: &IdempotencyKey, within: Duration) -> Answer<Changed> {
    let spec = CustomerSpec { key_hashes: [].into() };
    client.put_customer(&"acme".parse().unwrap(), &spec, key, within).await
}

#[tokio::test]
async fn a_member_that_is_gone_is_passed_over_and_the_one_that_answered_is_asked_first_next_time() {
    let (gone, good) = (nobody().await, Member::that(Script::Accept).await);
    let client = ControlClient::new(vec![gone.clone(), good.address.clone()], Rest::default());
    assert_eq!(put(&client, &key(), WITHIN).await, Answer::Accepted(accepted()));
    assert_eq!(client.members(), [good.address.clone(), gone]);
}

#[tokio::test]
async fn beside_a_silent_member_the_next_is_asked_under_the_same_key() {
    let (silent, good) = (Member::that(Script::Silent).await, Member::that(Script::Accept).await);
    let members = vec![silent.address.clone(), good.address.clone()];
    let client = ControlClient::new(members, Rest::default());
    let (key, since) = (key(), Instant::now());
    assert_eq!(put(&client, &key, WITHIN).await, Answer::Accepted(accepted()));
    assert!(since.elapsed() < NEXT_MEMBER_AFTER * 4, "{:?}", since.elapsed());
    assert_eq!(silent.heard(), [format_key(&key)]);
    assert_eq!(good.heard(), [format_key(&key)]);
}

#[tokio::test]
async fn an_outcome_that_no_member_told_is_unknown_and_never_refused() {
    let silent = Member::that(Script::Silent).await;
    let client = ControlClient::new(vec![silent.address.clone()], Rest::default());
    let answer = put(&client, &key(), Duration::from_millis(300)).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
}

#[tokio::test]
async fn a_group_without_a_leader_or_without_a_member_has_surely_done_nothing() {
    let within = Duration::from_millis(300);
    let waiting = Member::that(Script::Say(Code::NoLeader)).await;
    let client = ControlClient::new(vec![waiting.address.clone()], Rest::default());
    let answer = put(&client, &key(), within).await;
    assert!(matches!(&answer, Answer::Refused(p) if p.code == Code::NoLeader), "{answer:?}");
    assert!(waiting.heard().len() > 1, "it was asked again until the time was over");
    let client = ControlClient::new(vec![nobody().await], Rest::default());
    let answer = put(&client, &key(), within).await;
    assert!(matches!(&answer, Answer::Refused(p) if p.code == Code::Unavailable), "{answer:?}");
}

#[tokio::test]
async fn a_refusal_for_good_ends_the_asking() {
    let refusing = Member::that(Script::Say(Code::Conflict)).await;
    let other = Member::that(Script::Accept).await;
    let members = vec![refusing.address.clone(), other.address.clone()];
    let client = ControlClient::new(members, Rest::default());
    let answer = put(&client, &key(), WITHIN).await;
    assert!(matches!(&answer, Answer::Refused(p) if p.code == Code::Conflict), "{answer:?}");
    assert_eq!(other.heard().len(), 0);
}

#[tokio::test]
async fn a_key_that_tells_nothing_after_an_attempt_of_unknown_outcome_leaves_it_unknown() {
    for code in [Code::KeyExpired, Code::KeyFromFuture] {
        let unknown = Member::that(Script::Say(Code::Unknown)).await;
        let refused = Member::that(Script::Say(code)).await;
        let members = vec![unknown.address.clone(), refused.address.clone()];
        let client = ControlClient::new(members, Rest::default());
        let answer = put(&client, &key(), WITHIN).await;
        assert!(matches!(&answer, Answer::Unknown(p) if p.code == code), "{answer:?}");
    }
}

#[tokio::test]
async fn a_read_goes_to_whichever_member_answers() {
    let good = Member::that(Script::Accept).await;
    let client = ControlClient::new(vec![nobody().await, good.address.clone()], Rest::default());
    let read: Result<Changed, Problem> = client.read("/v1/anything", WITHIN).await;
    assert_eq!(read, Ok(accepted()));
}

#[tokio::test]
async fn a_read_that_got_no_answer_tells_what_was_said_and_not_that_it_is_unknown() {
    let waiting = Member::that(Script::Say(Code::NoLeader)).await;
    let silent = Member::that(Script::Silent).await;
    let members = vec![waiting.address.clone(), silent.address.clone()];
    let client = ControlClient::new(members, Rest::default());
    let read: Result<Changed, Problem> =
        client.read("/v1/anything", Duration::from_millis(300)).await;
    assert_eq!(read.unwrap_err().code, Code::NoLeader);
}

#[tokio::test]
async fn what_a_member_of_another_life_says_counts_like_no_answer() {
    let own = ClusterIncarnation(7);
    let stranger = Member::that(Script::In(8, Code::NotFound)).await;
    let earlier = Member::that(Script::Earlier(Code::Forbidden)).await;
    let ours = Member::that(Script::In(7, Code::Forbidden)).await;
    let ask = async |members: &[&Member], of: Option<ClusterIncarnation>| {
        let members = members.iter().map(|member| member.address.clone()).collect();
        let client = ControlClient::new(members, Rest::default());
        let client = of.map_or(client.clone(), |own| client.of(own));
        client.read::<Stand>("/v1/traders/algo", WITHIN).await.unwrap_err()
    };
    // whoever does not say where he belongs believes everybody
    assert_eq!(ask(&[&stranger, &ours], None).await.code, Code::NotFound);
    // another one is asked; an earlier build's member does not say where it is
    assert_eq!(ask(&[&stranger, &ours], Some(own)).await.code, Code::Forbidden);
    assert_eq!(ask(&[&stranger, &earlier], Some(own)).await.code, Code::Forbidden);
    // and where there is no other, nothing is known
    let problem = ask(&[&stranger], Some(own)).await;
    assert_eq!(problem.code, Code::Unavailable, "{problem}");
    assert!(problem.detail.contains("life 8 of a cluster, not in 7"), "{problem}");
    assert!(stranger.heard().len() > 3, "it is asked again");
    // nor is one believed that is in no life yet, or is no member at all
    for script in [Script::In(0, Code::NotFound), Script::Say(Code::NotFound)] {
        let other = Member::that(script).await;
        assert_eq!(ask(&[&other, &ours], Some(own)).await.code, Code::Forbidden);
    }
}

#[tokio::test]
async fn a_change_that_a_stranger_says_it_has_made_is_not_told_as_surely_not_made() {
    let within = Duration::from_millis(300);
    let of = |member: &Member| {
        let client = ControlClient::new(vec![member.address.clone()], Rest::default());
        client.of(ClusterIncarnation(7))
    };
    let accepts = Member::that(Script::AcceptIn(8)).await;
    let answer = put(&of(&accepts), &key(), within).await;
    assert!(matches!(&answer, Answer::Unknown(_)), "{answer:?}");
    let refuses = Member::that(Script::In(8, Code::Conflict)).await;
    let answer = put(&of(&refuses), &key(), within).await;
    assert!(matches!(&answer, Answer::Refused(p) if p.code == Code::Unavailable), "{answer:?}");
}
