//! Claims about reads of every sureness, about what every answer says, keys of wrong clocks, and figures.

use super::{
    eventually,
    group::{Group, SOON, now, problem},
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::time::UnixNanos;
use tradewind_link::rest::{HeaderMap, Method};
use tradewind_protocol::{
    Code,
    control::{Changed, PutRegister, RegisterAnswer, Status},
};

async fn register(group: &Group, member: usize, consistency: &str) -> RegisterAnswer {
    let path = format!("/v1/registers/x?consistency={consistency}");
    group.request::<(), _>(member, Method::GET, &path, None, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_as_sure_as_asked_for_at_every_member() {
    let group = Group::of(3).await;
    for n in 0..10 {
        let (value, member) = (n.to_string(), n % 3);
        let changed = group.write(member, "x", &value, &group.keys.next()).await.unwrap();
        for member in 0..3 {
            for consistency in ["linearizable", "leader"] {
                let read = register(&group, member, consistency).await;
                assert_eq!(read.register.unwrap().value, value, "{consistency} at {member}");
                assert!(read.stand.revision >= changed.applied);
                // On a busy machine another may lead by now.
                assert!(read.stand.leader.is_some() && read.stand.age_ms.is_none());
            }
        }
    }
    for member in 0..3 {
        let read = register(&group, member, "stale").await;
        let age = read.stand.age_ms.flatten().expect("it has heard of the leader");
        assert!(age < 2_000, "{age}");
        let path = "/v1/status?consistency=stale";
        let status = group.request::<(), Status>(member, Method::GET, path, None, None).await;
        assert!(status.unwrap().stand.age_ms.is_some());
    }
    let path = "/v1/registers/x?consistency=newest";
    let wrong = group.request::<(), RegisterAnswer>(0, Method::GET, path, None, None).await;
    assert_eq!(problem(wrong).code, Code::MalformedRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_only_a_stale_read_is_answered_and_it_tells_its_growing_age() {
    let mut group = Group::of(3).await;
    group.write(0, "x", "kept", &group.keys.next()).await.unwrap();
    let left = group.followers().await[0];
    let stale = async || register(&group, left, "stale").await;
    eventually("it has the value", SOON, async || stale().await.register.is_some()).await;
    for member in (0..3).filter(|member| *member != left) {
        group.kill(member).await;
    }
    let old = async || register(&group, left, "stale").await.stand.age_ms.flatten().unwrap() > 700;
    eventually("the age grows", SOON, old).await;
    assert_eq!(register(&group, left, "stale").await.register.unwrap().value, "kept");
    for consistency in ["linearizable", "leader"] {
        let path = format!("/v1/registers/x?consistency={consistency}");
        let asked = group.request::<(), RegisterAnswer>(left, Method::GET, &path, None, None).await;
        assert_eq!(problem(asked).code, Code::NoLeader);
    }
    // It says so to whoever asks whether it is ready, and by what.
    let (status, _, body) = raw(&group, left, Method::GET, "/readyz").await;
    assert_eq!((status, body["code"].as_str()), (503, Some("unavailable")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains("leader"), "{body}");
    let (status, _, body) = raw(&group, left, Method::GET, "/readyz?verbose").await;
    assert_eq!((status, &body["ready"]), (503, &Value::Bool(false)), "{body}");
    assert_eq!(raw(&group, left, Method::GET, "/livez").await.0, 200);
}

async fn raw(group: &Group, member: usize, method: Method, path: &str) -> (u16, HeaderMap, Value) {
    let address = group.address(member);
    let asked = group.rest.raw(method, &address, path, HeaderMap::new(), <_>::default(), SOON);
    let (status, headers, body) = asked.await.unwrap();
    (status.as_u16(), headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_term_revision_leader_time_and_life_and_a_problem_says_it_in_its_body_too()
 {
    let group = Group::of(1).await;
    let (get, put) = (Method::GET, Method::PUT);
    let life = async || raw(&group, 0, Method::GET, "/v1/status").await.2["cluster"].clone();
    eventually("the cluster is opened", SOON, async || !life().await.is_null()).await;
    let life = life().await.to_string();
    let cases = [
        (&get, "/v1/status", 200),
        (&get, "/v1/revision", 200),
        (&get, "/v1/registers/x", 200),
        (&get, "/v1/events", 200),
        (&get, "/livez", 200),
        (&get, "/readyz?verbose", 200),
        (&get, "/v1/status?colour=red", 400),
        (&put, "/v1/customers/acme", 400),
        (&put, "/v1/customers/Acme", 400),
        (&get, "/v1/nowhere", 404),
        (&put, "/v1/status", 405),
        (&Method::POST, "/v1/sessions", 401),
    ];
    for (method, path, status) in cases {
        let (said, headers, body) = raw(&group, 0, method.clone(), path).await;
        assert_eq!(said, status, "{path}: {body}");
        for (header, field) in [
            ("tradewind-term", "term"),
            ("tradewind-revision", "revision"),
            ("tradewind-leader", "leader"),
        ] {
            let header: u64 = headers[header].to_str().unwrap().parse().unwrap();
            let field = body[field].as_u64().unwrap_or_else(|| panic!("{field} in {path}: {body}"));
            assert!(header >= field && field > 0, "{path}");
        }
        assert!(headers.contains_key("tradewind-time"), "{path}");
        assert_eq!(headers["tradewind-cluster"], *life, "{path}");
    }
    for path in ["/", "/metrics", "/v1/state"] {
        let (said, headers, _) = raw(&group, 0, Method::GET, path).await;
        assert!(said == 200 && headers.contains_key("tradewind-term"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_client_with_a_wrong_clock_work_once_it_knows_the_groups_time() {
    let group = Group::of(1).await;
    let day = 86_400_000_000_000;
    for wrong in [now().0 - day, now().0 + day] {
        let clock = Arc::new(move || UnixNanos(wrong));
        let client = ControlClient::new(group.addresses(), group.rest.clone());
        let body = PutRegister { value: "1".to_owned(), expected: None };
        let write = async |keys: &KeySource| {
            let (path, within) = ("/v1/registers/x", Duration::from_secs(5));
            let key = keys.next();
            client.change::<_, Changed>(Method::PUT, path, &body, &key, within).await
        };
        let alone = KeySource::new("wrong".parse().unwrap(), clock.clone());
        assert!(matches!(write(&alone).await, Answer::Refused(_)));
        // Any answer tells the time, that refusal too; or it is asked for.
        client.learn_time(SOON).await.unwrap();
        let keys = KeySource::new("right".parse().unwrap(), clock).following(client.time());
        assert!(matches!(write(&keys).await, Answer::Accepted(_)));
    }
}

/// Names and labels with their values, as a scraper reads them; fails on a line that is none.
fn scraped(text: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut typed = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap_or_default());
            assert!(["HELP", "TYPE", "EOF", "UNIT"].contains(&kind), "{line}");
            if kind == "TYPE" {
                typed = Some(name.to_owned());
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no series: {line}"));
        let value: f64 = value.replace("+Inf", "inf").parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(name.starts_with("tradewind_"), "{line}");
        assert!(typed.as_deref().is_some_and(|typed| name.starts_with(typed)), "{line}");
        assert!(series.insert(name.to_owned(), value).is_none(), "twice: {line}");
    }
    series
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_there_in_the_form_scrapers_read_and_they_count() {
    let group = Group::of(3).await;
    let leader = group.leader().await;
    let follower = group.followers().await[0];
    for n in 0..20 {
        group.write(follower, "x", &n.to_string(), &group.keys.next()).await.unwrap();
    }
    register(&group, follower, "leader").await;
    let text = async |member: usize| {
        let address = group.address(member);
        let asked =
            group.rest.raw(Method::GET, &address, "/metrics", <_>::default(), <_>::default(), SOON);
        let (status, headers, body) = asked.await.unwrap();
        assert_eq!(status.as_u16(), 200);
        assert!(headers["content-type"].to_str().unwrap().starts_with("text/plain"));
        String::from_utf8(body.to_vec()).unwrap()
    };
    let (led, followed) = (scraped(&text(leader).await), scraped(&text(follower).await));
    let of = |series: &BTreeMap<String, f64>, name: &str| {
        *series.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", series.keys()))
    };
    assert!(
        of(&led, "tradewind_raft_is_leader") > 0.5
            && of(&followed, "tradewind_raft_is_leader") < 0.5
    );
    assert!(of(&led, "tradewind_raft_term") > 0.5);
    for name in [
        "tradewind_raft_leader_id",
        "tradewind_raft_last_log_index",
        "tradewind_raft_committed_index",
        "tradewind_raft_applied_index",
        "tradewind_raft_elections_total",
        "tradewind_journal_fsync_seconds_count",
        "tradewind_journal_append_records_count",
        "tradewind_apply_seconds_count",
        "tradewind_events_kept_max",
        "tradewind_peer_connections{lane=\"append\"}",
    ] {
        assert!(
            of(&led, name) > 0.5 || name.contains("elections") || name.contains("append\""),
            "{name}"
        );
    }
    let peer = format!("tradewind_raft_peer_lag_entries{{peer=\"{}\"}}", follower + 1);
    assert!(of(&led, &peer) < 1_000.0);
    assert!(led.keys().any(|name| name.starts_with("tradewind_raft_peer_acked_age_seconds")));
    assert!(of(&led, "tradewind_proposals_total{outcome=\"accepted\"}") > 19.5);
    assert!(of(&followed, "tradewind_forwarded_total{kind=\"change\"}") > 19.5);
    assert!(of(&followed, "tradewind_reads_total{consistency=\"leader\"}") > 0.5);
    for name in [
        "journal_silent_seconds",
        "snapshot_bytes",
        "snapshot_age_seconds",
        "state_hash_alarm",
        "watch_clients",
        "state_hash_divergences_total",
    ] {
        assert!(of(&led, &format!("tradewind_{name}")) >= 0.0, "{name}");
    }
    // Every write's answer, and the oldest of them is not older than this test.
    for series in [&led, &followed] {
        let (count, most) = ("tradewind_answers_remembered", "tradewind_answers_remembered_max");
        assert!(of(series, count) > 19.5 && of(series, count) < of(series, most));
        let age = of(series, "tradewind_answers_oldest_age_seconds");
        assert!(age > 0.0 && age < 60.0, "{age}");
    }
    assert!(of(&followed, "tradewind_leader_age_seconds") < 10.0);
    assert!(led.keys().any(|name| name.starts_with("tradewind_build_info")));
}
