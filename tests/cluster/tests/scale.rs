//! Scaling with real processes: a full location gets one implementation more, by `process` and by an operator's
//! program, although the leader dies in the middle; it goes again when the load is gone, and leaves no process. A
//! program that fails, or hangs, is tried again later and later.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{fs, time::Duration};
use tradewind_tests_cluster::{
    eventually, eventually_async, send,
    town::{PATIENCE, Town},
};

const SET: &str = "scale set here --least 1 --most 3 --traders 80/60 --sessions 80/60 --cool-down 2s --deadline 15s";
const THREE: [&str; 3] = ["broker-manager", "market-manager", "trader-manager"];

/// The script of `examples`, which is told what it was asked and dawdles the first time.
const PROVISIONER: &str = r#"#!/bin/sh
told=$(cat)
printf '%s\n' "$told" >> {home}/calls
if [ "$(wc -l < {home}/calls)" = 1 ]; then sleep 3; fi
printf '%s' "$told" | TRADEWIND={binary} PLACE={home}/by-script CAPACITY=10 {example}
"#;

/// Does as a file says.
const TROUBLE: &str = r#"#!/bin/sh
cat > /dev/null
date +%s >> {home}/calls
if [ -f {home}/hang ]; then
    sleep 1000 &
    echo $! > {home}/hung
    wait
fi
echo "no quota left" >&2
exit 3
"#;

fn lines(town: &Town, name: &str) -> Vec<String> {
    let text = fs::read_to_string(town.file(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// As soon as somebody has taken the request on, its leader is killed.
async fn lose_the_leader_in_the_middle(town: &mut Town) -> u64 {
    let begun = |state: &str| ["starting", "there"].contains(&state);
    eventually("somebody takes it on", PATIENCE, || begun(&town.state()));
    let leader = town.group.leader().await;
    town.group.member(leader).kill();
    leader
}

/// One implementation came, once; and when the load has gone, it goes and leaves nothing.
async fn came_once_and_goes(town: &Town, customers: u32) {
    town.reaches("there").await;
    assert_eq!(town.provisioned(), THREE);
    assert_eq!(town.implementations().len(), 2);
    // A location that is between its marks stays as it is: also what is new finds room.
    town.customers(customers, customers + 2);
    eventually("all have a place", PATIENCE, || {
        let all = town.list("customer ls");
        all.len() == customers as usize + 2 && all.iter().all(|row| !row["affinity"].is_null())
    });
    assert_eq!(town.requests().len(), 1);
    town.no_customers(0, customers + 2);
    town.reaches("released").await;
    eventually("no process is left", PATIENCE, || town.provisioned().is_empty());
    assert_eq!(town.implementations(), ["own".to_owned()].into());
    assert_eq!(town.events("provision_asked").len(), 1);
    let drained: Vec<Value> = town.events("cordoned");
    assert_eq!(drained.len(), 1);
    assert_eq!(drained[0]["by"]["who"], "scale");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_starts_one_implementation_on_its_machine_which_outlives_it_and_goes_with_the_load()
 {
    let mut town = Town::with_script(TROUBLE).await;
    town.does(&format!("{SET} --process 10"));
    town.customers(0, 4);
    let lost = lose_the_leader_in_the_middle(&mut town).await;
    eventually_async("another leads", PATIENCE, || async { town.state() != "" }).await;
    town.group.start(lost).await;
    town.reaches("there").await;
    // One that dies is started again by the member on whose machine it was, which did not start it in this life.
    // Without its TraderManager the location would be full, and ask for another implementation.
    let mut processes = town.processes().into_iter();
    let (kind, pid) = processes.find(|(kind, _)| kind == "broker-manager").unwrap();
    send(pid, Signal::KILL);
    eventually("it is started again", PATIENCE, || {
        let processes = town.processes();
        processes.len() == 3 && processes.iter().all(|(of, now)| *of != kind || *now != pid)
    });
    came_once_and_goes(&town, 4).await;
    assert!(lines(&town, "calls").is_empty());
    let refused = town.run("scale set here --most 3 --process 10 --traders 30/80");
    assert_eq!(refused.status.code(), Some(1));
    town.does("scale rm here");
    assert_eq!(town.run("scale get here").status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_asked_again_under_the_same_name_when_the_leader_dies_and_starts_one() {
    let mut town = Town::with_script(PROVISIONER).await;
    town.does(&format!("{SET} --exec script"));
    town.customers(0, 4);
    eventually("the program is asked", PATIENCE, || lines(&town, "calls").len() == 1);
    let lost = lose_the_leader_in_the_middle(&mut town).await;
    came_once_and_goes(&town, 4).await;
    town.group.start(lost).await;
    let calls: Vec<Value> =
        lines(&town, "calls").iter().map(|told| serde_json::from_str(told).unwrap()).collect();
    let of = |op: &str| calls.iter().filter(|told| told["op"] == op).collect::<Vec<_>>();
    let asked = of("provision");
    assert!(asked.len() >= 2, "{calls:?}");
    // The same key, and the same implementation, at every repeat.
    for field in ["request", "implementation", "cluster", "incarnation", "location"] {
        assert!(calls.iter().all(|told| told[field] == asked[0][field]), "{field}: {calls:?}");
    }
    assert!(!of("release").is_empty());
    assert_eq!(fs::read_dir(town.file("by-script")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_is_tried_later_and_later_and_one_that_hangs_is_killed() {
    let town = Town::with_script(TROUBLE).await;
    town.does(&format!("{SET} --exec script").replace("--deadline 15s", "--deadline 2s"));
    town.customers(0, 4);
    eventually("three attempts have failed", PATIENCE, || lines(&town, "calls").len() == 3);
    let at: Vec<u64> = lines(&town, "calls").iter().map(|line| line.parse().unwrap()).collect();
    // In whole seconds, and by another clock.
    assert!(at[1] - at[0] >= 1 && at[2] - at[1] >= 3, "{at:?}");
    let failed = || -> Vec<Value> {
        let changes = town.events("provision_changed");
        changes.into_iter().filter(|change| change["state"] == "failed").collect()
    };
    eventually("the third is told", PATIENCE, || failed().len() >= 3);
    let why = failed()[0]["failure"].as_str().unwrap().to_owned();
    assert!(why.contains("exit status: 3") && why.contains("no quota left"), "{why}");
    fs::write(town.file("hang"), "").unwrap();
    eventually("it hangs and is killed", PATIENCE, || {
        failed()
            .last()
            .is_some_and(|last| last["failure"].as_str().is_some_and(|why| why.contains("killed")))
    });
    let hung: u32 = lines(&town, "hung")[0].parse().unwrap();
    eventually("nothing of it is left", Duration::from_secs(5), || {
        !tradewind_launcher::process_is_alive(hung)
    });
    assert_eq!((town.requests().len(), town.provisioned().len()), (1, 0));
    // What nobody needs is given up, and the program is asked to take away what there may be.
    town.no_customers(0, 4);
    fs::remove_file(town.file("hang")).unwrap();
    eventually("it is given up", PATIENCE, || town.state() == "releasing");
    ends_by_an_operators_word(&town).await;
}

/// The program never takes it away: its operator has, and says so.
async fn ends_by_an_operators_word(town: &Town) {
    let request = town.requests()[0]["request"].to_string();
    let released = format!("provisioning released {request} --who ann --why cleared");
    let stale = town.run(&format!("{released} --if-match 1"));
    let said = String::from_utf8_lossy(&stale.stderr).into_owned();
    assert_eq!(stale.status.code(), Some(4), "{said}");
    assert!(said.contains("is releasing as of revision") && said.contains("revision 1"), "{said}");
    let nobody = town.run("provisioning released 1 --why cleared");
    assert_eq!(nobody.status.code(), Some(3));
    // The program may fail once more between the look and the word.
    eventually("the word is taken", PATIENCE, || town.run(&released).status.success());
    town.reaches("released").await;
    let audited = town.events("provision_audited");
    assert_eq!(audited.len(), 1, "{audited:?}");
    assert_eq!(
        (&audited[0]["said"], &audited[0]["who"], &audited[0]["why"]),
        (&"released".into(), &"ann".into(), &"cleared".into())
    );
    let again = town.run(&released);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(4), "{said}");
    assert!(said.contains("is released"), "{said}");
}
