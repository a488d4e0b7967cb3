//! Claims about watching: over members that go away, from the beginning or too late, and what a watcher is
//! told at the end.

use super::{
    eventually,
    group::{Group, SOON, problem},
};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tradewind_control_client::{Watch, WatchEnd, Watched};
use tradewind_domain::{
    control::{
        Event,
        watch::{Seen, violations},
    },
    ids::{ClusterIncarnation, Revision},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code,
    events::{CLOSE_BAD_FRAME, CLOSE_NO_LEADER, EventFilter, EventFrame, EventPage},
};

/// Everything that happened, as a member that was there from the beginning tells it.
async fn happened(group: &Group, member: usize) -> BTreeMap<Revision, Vec<Event>> {
    let (mut all, mut since) = (BTreeMap::new(), Revision(0));
    loop {
        let path = format!("/v1/events?since={since}&limit=7");
        let page = group.request::<(), EventPage>(member, Method::GET, &path, None, None).await;
        let page = page.unwrap();
        if page.entries.is_empty() {
            return all;
        }
        since = page.next;
        all.extend(page.entries.iter().map(|entry| (entry.revision, entry.whole())));
    }
}

/// Watches until it has seen a revision, and says what it saw.
async fn watch_until(watch: &mut Watch, until: Revision, at: &mut Option<String>) -> Vec<Seen> {
    let mut seen = Vec::new();
    while watch.place().is_none_or(|place| place < until) {
        seen.push(match timeout(SOON, watch.next()).await.expect("the watch is stuck").unwrap() {
            Watched::Opened { since, member } => {
                *at = Some(member);
                Seen::Opened { since }
            }
            Watched::Events(entry) => {
                Seen::Events { revision: entry.revision, events: entry.whole() }
            }
            Watched::Beat { seen } => Seen::Beat { revision: seen },
        });
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_goes_on_at_another_member_and_sees_each_revision_once_and_in_order() {
    let mut group = Group::of(3).await;
    let mut watch = group.client().watch(Some(Revision(0)));
    let mut seen = Vec::new();
    let mut at = None;
    for round in 0..4 {
        for n in 0..5 {
            let name = format!("c{round}-{n}");
            group.put_customer(&name, &name).await;
        }
        let leader = group.leader().await;
        let now = group.status(leader).await.unwrap().stand.revision;
        seen.extend(watch_until(&mut watch, now, &mut at).await);
        // Member 2 lives through all of it, and knows everything that happened; of the others the one that
        // is watched at goes, if it is one of them.
        let watched = (0..2).find(|member| at.as_ref() == Some(&group.address(*member)));
        let member = watched.unwrap_or(round % 2);
        group.kill(member).await;
        for n in 0..5 {
            let name = format!("d{round}-{n}");
            group.put_customer(&name, &name).await;
        }
        let leader = group.leader().await;
        let now = group.status(leader).await.unwrap().stand.revision;
        seen.extend(watch_until(&mut watch, now, &mut at).await);
        group.start_again(member).await;
        eventually("it is back", SOON, async || group.status(member).await.is_ok()).await;
    }
    let opened = seen.iter().filter(|step| matches!(step, Seen::Opened { .. })).count();
    assert!(opened >= 2, "it never had to go on elsewhere: {seen:?}");
    let happened = happened(&group, 2).await;
    assert!(happened.len() >= 40, "{}", happened.len());
    let found = violations(&seen, &happened);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_410_and_the_state_tells_where_to_go_on() {
    let mut group = Group::of(1).await;
    group.put_customer("acme", "key").await;
    group.stop(0).await;
    group.start_again(0).await;
    group.leader().await;
    let path = "/v1/events?since=1";
    let gone = problem(group.request::<(), EventPage>(0, Method::GET, path, None, None).await);
    assert_eq!((gone.code, gone.status), (Code::Gone, 410));
    let end = timeout(SOON, group.client().watch(Some(Revision(1))).next()).await.unwrap();
    assert!(matches!(end, Err(WatchEnd::Gone(_))), "{end:?}");
    // when: the state is read where the problem says
    let (path, address) = (gone.snapshot.unwrap(), group.address(0));
    let asked = group.rest.raw(Method::GET, &address, &path, <_>::default(), <_>::default(), SOON);
    let (status, headers, body) = asked.await.unwrap();
    assert_eq!(
        (status.as_u16(), &headers["content-type"]),
        (200, &"application/x-ndjson".parse().unwrap())
    );
    let lines: Vec<Value> = std::str::from_utf8(&body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let revision = Revision(lines[0]["revision"].as_u64().unwrap());
    assert_eq!(lines[0]["hash"].as_str().unwrap().len(), 32);
    assert_eq!(lines.last().unwrap()["end"], lines.len() as u64 - 2);
    let acme = lines.iter().find(|line| line["customer"]["customer"] == "acme").unwrap();
    assert_eq!(acme["customer"]["key_ids"].as_array().unwrap().len(), 1);
    assert!(!std::str::from_utf8(&body).unwrap().contains("key_hashes"));
    // then: a watch from its revision shows all that comes after it
    let mut watch = group.client().watch(Some(revision));
    group.put_customer("later", "another key").await;
    let now = group.status(0).await.unwrap().stand.revision;
    let seen = watch_until(&mut watch, now, &mut None).await;
    let events = happened_after(&group, revision).await;
    assert!(!events.is_empty());
    assert!(violations(&seen, &events).is_empty());
}

async fn happened_after(group: &Group, since: Revision) -> BTreeMap<Revision, Vec<Event>> {
    let path = format!("/v1/events?since={since}");
    let page = group.request::<(), EventPage>(0, Method::GET, &path, None, None).await.unwrap();
    page.entries.iter().map(|entry| (entry.revision, entry.whole())).collect()
}

type Socket = WebSocketStream<TcpStream>;

/// A member that has just started has not heard of its leader yet, and opens nothing before.
async fn opened(group: &Group, member: usize) -> Socket {
    let address = group.address(member);
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let stream = TcpStream::connect(&address).await.unwrap();
        match client_async(format!("ws://{address}/v1/events"), stream).await {
            Ok((socket, _)) => return socket,
            Err(why) => assert!(tokio::time::Instant::now() < deadline, "not opened: {why}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every frame until the member closes, and its close code.
async fn until_closed(mut socket: Socket) -> (Vec<EventFrame>, Option<u16>) {
    let mut frames = Vec::new();
    loop {
        match timeout(SOON, socket.next()).await.expect("the socket is stuck") {
            Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(close))) => return (frames, close.map(|c| c.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return (frames, None),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_has_lost_its_leader_ends_its_streams_and_opens_none() {
    let mut group = Group::of(3).await;
    let left = group.followers().await[0];
    let socket = opened(&group, left).await;
    for member in (0..3).filter(|member| *member != left) {
        group.kill(member).await;
    }
    let (frames, code) = until_closed(socket).await;
    assert_eq!(code, Some(CLOSE_NO_LEADER));
    assert!(matches!(frames.first(), Some(EventFrame::Hello { .. })), "{frames:?}");
    let Some(EventFrame::End { problem }) = frames.last() else { panic!("{frames:?}") };
    assert_eq!(problem.code, Code::NoLeader);
    let address = group.address(left);
    let stream = TcpStream::connect(&address).await.unwrap();
    let refused = client_async(format!("ws://{address}/v1/events"), stream).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("503")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beat_comes_every_second_and_a_watcher_who_talks_is_told_off() {
    let group = Group::of(1).await;
    let mut socket = opened(&group, 0).await;
    let mut beats = Vec::new();
    while beats.len() < 2 {
        let next = timeout(Duration::from_secs(3), socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = next else { continue };
        if let EventFrame::Beat { stand, seen } = serde_json::from_str(&text).unwrap() {
            assert!(seen <= stand.revision && stand.term > 0);
            beats.push(seen);
        }
    }
    assert!(beats.is_sorted());
    socket.send(Message::text("hello?")).await.unwrap();
    let (frames, code) = until_closed(socket).await;
    assert_eq!(code, Some(CLOSE_BAD_FRAME));
    assert!(matches!(frames.last(), Some(EventFrame::End { .. })), "{frames:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_another_life_of_the_cluster_is_410_and_not_waited_for_in_silence() {
    let group = Group::of(1).await;
    group.put_customer("acme", "key").await;
    let own = {
        let page: Value = get(&group, "/v1/events?since=0").await.unwrap();
        page["cluster"].as_u64().expect("a page tells the life it is of")
    };
    assert!(get(&group, &format!("/v1/events?since=1&cluster={own}")).await.is_ok());
    // when: the place is far ahead of what this life has come to
    let other = format!("/v1/events?since=100000&cluster={}", own - 1);
    let gone = problem(get(&group, &other).await);
    let watch =
        |cluster| group.client().watch(Some(Revision(1))).of(Some(ClusterIncarnation(cluster)));
    let end = timeout(SOON, watch(own - 1).next()).await.unwrap();
    // then
    assert!(matches!(end, Err(WatchEnd::Gone(_))), "{end:?}");
    let mut own_life = watch(own);
    let opened = timeout(SOON, own_life.next()).await.unwrap();
    assert!(matches!(opened, Ok(Watched::Opened { .. })), "{opened:?}");
    assert_eq!(own_life.cluster(), Some(ClusterIncarnation(own)));
    assert_eq!((gone.code, gone.status), (Code::Gone, 410));
    assert_eq!(gone.snapshot.as_deref(), Some("/v1/state"));
    assert!(gone.detail.contains(&own.to_string()), "{}", gone.detail);
}

async fn get(group: &Group, path: &str) -> Result<Value, tradewind_link::rest::RestError> {
    group.request::<(), Value>(0, Method::GET, path, None, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_some_events_is_told_those_and_goes_past_the_others() {
    let group = Group::of(3).await;
    for name in ["acme", "bolt", "cord"] {
        group.put_customer(name, name).await;
    }
    let member = group.followers().await[0];
    let now = group.status(group.leader().await).await.unwrap().stand.revision;
    eventually("the member has come so far", SOON, async || {
        group.status(member).await.is_ok_and(|status| status.stand.revision >= now)
    })
    .await;
    let path = "/v1/events?since=0&kinds=customer_changed,trader_changed&about=bolt";
    let page = group.request::<(), EventPage>(member, Method::GET, path, None, None).await.unwrap();
    assert_eq!(page.entries.len(), 1, "{page:?}");
    assert!(page.next >= now, "{} {now}", page.next);
    let kinds = ["customer_changed".to_owned()];
    let filter = EventFilter::new(&kinds, Some("bolt")).unwrap();
    let mut watch = group.client().watch(Some(Revision(0))).only(filter);
    let seen = watch_until(&mut watch, now, &mut None).await;
    let told: Vec<&Seen> = seen.iter().filter(|seen| matches!(seen, Seen::Events { .. })).collect();
    assert!(
        matches!(told[..], [Seen::Events { revision, .. }] if *revision == page.entries[0].revision)
    );
    let asked =
        group.request::<(), EventPage>(member, Method::GET, "/v1/events?kinds=x", None, None);
    assert_eq!(problem(asked.await).code, Code::MalformedRequest);
}
