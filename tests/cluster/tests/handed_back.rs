//! A Trader whose algo fails again and again on one node, and would run on another: it is handed back, on record, and moved
//! with its customer; its words are read wherever they were said, and followed to where it goes.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tradewind_domain::control::handed_back::{Exit, Failure};
use tradewind_tests_cluster::{binary, eventually_async, operator::Operator, site::Site};

const SOON: Duration = Duration::from_secs(60);

fn said(words: &[&str]) -> (bool, String) {
    let done = Command::new(binary()).args(words).output().unwrap();
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    (done.status.success(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trader_that_fails_where_it_is_goes_on_elsewhere_with_its_customer() {
    // given: an algo that runs everywhere but where it was started first; there it fails once it is let
    let site = Site::of(2).await;
    let first = site.group.home.path().join("first");
    let first = first.to_str().unwrap();
    let script = format!(
        "here=$(tr '\\0' '\\n' < /proc/$PPID/environ | grep ^TRADEWIND_STATE_DIR=)
        [ -e {first} ] || echo \"$here\" > {first}
        echo \"my place is $here\"
        [ \"$here\" = \"$(cat {first})\" ] && until [ -e {first}.let ]; do sleep 0.05; done && exit 7
        exec sleep 86400"
    );
    site.does(&["customer", "put", "acme"], &[]);
    site.does(&["trader", "put", "t", "--customer", "acme"], &["sh", "-c", &script]);
    // and somebody who follows its words
    let members = site.group.addresses().join(",");
    let speaks = async || said(&["trader", "logs", "t", "--addr", &members]).0;
    eventually_async("it speaks", SOON, speaks).await;
    let followed = Operator::at(&site.group.addresses()).watches("trader logs t --follow");
    let began = followed.line();
    // when
    fs::write(format!("{first}.let"), "").unwrap();
    // then: on record
    let ended = Failure::Ended { exit: Exit::Code(7) };
    let recorded = async || {
        let status = site.status().await;
        let rows = status.map(|status| status.handed_back).unwrap_or_default();
        rows.iter().any(|row| row.failure == ended && row.service.to_string() == "trader.t")
    };
    eventually_async("it is handed back", SOON, recorded).await;
    let by = site.told().await.handed_back[0].manager.to_string();
    let from = site.nodes.iter().position(|node| node.manager == by).unwrap();
    let to = 1 - from;
    // and it runs elsewhere
    let elsewhere = async || {
        site.manager_of("acme").await.as_ref() == Some(&site.nodes[to].manager)
            && site.services(to).await == Some(vec!["live".to_owned()])
            && site.services(from).await == Some(vec![])
    };
    eventually_async("it runs on the other node alone", SOON, elsewhere).await;
    // and is told in the events
    let (good, events) = said(&["events", "-o", "jsonl", "--addr", &members]);
    assert!(good && events.contains("service_handed_back"), "{events}");
    // and its words are found where it runs, and where it ran
    let (asked, place) = (Instant::now(), format!("/n{}/", to + 1));
    let here = loop {
        // The leader's view is as old as the last beats: until then it names who had it.
        let (good, words) = said(&["trader", "logs", "t", "--addr", &members]);
        if good && words.contains(&place) {
            break words;
        }
        assert!(asked.elapsed() < SOON, "{words}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(here.lines().count(), 1, "{here}");
    let (good, there) = said(&["trader", "logs", "t", "-n", "2", "--addr", site.own(from)]);
    assert!(good && there.lines().count() == 2, "{there}");
    assert_ne!(here.lines().next(), there.lines().next());
    // and who followed it where it ran is told what it said first where it runs
    assert!(began.contains(&format!("/n{}/", from + 1)), "{began}");
    followed.until("its first words", |line| line.contains(&place));
    // since of what does not run there no more is told
    let url = format!("http://{}/v1/services/trader.t/logs?of=algo&follow=true", site.own(from));
    let told = async { reqwest::get(&url).await.unwrap().text().await.unwrap() };
    assert!(timeout(SOON, told).await.unwrap().contains(&began));
    // and of what nobody runs none are told
    let (good, words) = said(&["broker", "logs", "nobody", "--addr", &members]);
    assert!(!good && words.contains("no Manager says that it runs broker.nobody.0"), "{words}");
    let (good, words) = said(&["trader", "logs", "u", "--addr", site.own(from)]);
    assert!(!good && words.contains("trader.u has said nothing here"), "{words}");
}
