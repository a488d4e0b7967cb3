//! Claims about the greeting: what arrives, whose bytes never change, and who is refused.
#![allow(clippy::unwrap_used)]

use super::*;
use std::cmp::Ordering;
use tradewind_domain::ids::ClusterIncarnation;

const LEASE: Duration = Duration::from_millis(150);
const LIFE: Life = Life::Opened(ClusterIncarnation(0xc));

fn hello() -> Hello {
    Hello {
        versions: VERSIONS,
        lane: Lane::Control,
        from: 1,
        to: 2,
        cluster: "first".to_owned(),
        disk: DiskId(0xa),
        expected: Some(DiskId(0xb)),
        life: LIFE,
    }
}

fn host() -> Host {
    Host { node: 2, cluster: "first".to_owned(), disk: DiskId(0xb), lease: LEASE }
}

fn other_life() -> Notice {
    let theirs = Life::Opened(ClusterIncarnation(7));
    Notice::other_life("first", LIFE, 1, theirs, Ordering::Less)
}

#[tokio::test]
async fn a_hello_and_its_answer_arrive_as_they_were_sent() {
    let verdicts = [
        Ok(3),
        Err(Notice::stranger("this is node 3, not 2".to_owned())),
        Err(Notice::other_disk(2)),
        Err(Notice::removed(1)),
        Err(other_life()),
    ];
    for verdict in verdicts {
        let (mut near, mut far) = tokio::io::duplex(1024);
        send_hello(&mut near, &hello()).await.unwrap();
        assert_eq!(read_hello(&mut far).await.unwrap(), hello());
        let answer = Answer { disk: DiskId(0xb), life: LIFE, lease: LEASE, verdict };
        send_answer(&mut far, &hello(), &answer).await.unwrap();
        assert_eq!(read_answer(&mut near).await.unwrap(), answer);
    }
}

#[tokio::test]
async fn the_bytes_of_a_hello_never_change() {
    let mut out = Vec::new();
    send_hello(&mut out, &hello()).await.unwrap();
    // The first part is the same for all versions, those before disks were told among them.
    let base = b"TWPH\0\x03\0\x03\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x05first";
    let mut golden = base.to_vec();
    golden.extend_from_slice(b"\0\x2a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a");
    golden.extend_from_slice(b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b");
    golden.extend_from_slice(b"\x02\0\0\0\0\0\0\0\x0c");
    assert_eq!(out, golden);
    let old = Hello { versions: (1, 1), ..hello() };
    let mut out = Vec::new();
    send_hello(&mut out, &old).await.unwrap();
    let golden = b"TWPH\0\x01\0\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x05first";
    assert_eq!(out, golden);
}

#[tokio::test]
async fn the_hello_of_a_version_without_lives_is_read_and_refused_by_its_version() {
    let mut bytes =
        b"TWPH\0\x02\0\x02\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x05first\0\x21".to_vec();
    bytes.extend_from_slice(&[0; 33]);
    let old = read_hello(&mut &bytes[..]).await.unwrap();
    assert_eq!(old.life, Life::Unknown);
    let refused = host().judge(&old, LIFE).unwrap_err().reason;
    assert_eq!(refused, "versions 3 to 3 are spoken, not 2 to 2");
}

#[test]
fn a_stranger_is_refused_and_told_why() {
    let refused = |change: fn(&mut Hello)| {
        let mut hello = hello();
        change(&mut hello);
        host().judge(&hello, LIFE).unwrap_err().reason
    };
    assert_eq!(host().judge(&hello(), LIFE), Ok(3));
    assert_eq!(host().judge(&hello(), Life::Unknown), Ok(3));
    assert!(refused(|h| h.expected = Some(DiskId(0xc))).contains("known with another disk"));
    assert_eq!(refused(|h| h.cluster = "other".to_owned()), "this is cluster first, not other");
    assert_eq!(refused(|h| h.to = 3), "this is node 2, not 3");
    assert!(refused(|h| h.from = 2).contains("two members share an id"));
    assert_eq!(refused(|h| h.versions = (1, 1)), "versions 3 to 3 are spoken, not 1 to 1");
    assert_eq!(refused(|h| h.versions = (4, 9)), "versions 3 to 3 are spoken, not 4 to 9");
    // Whatever disks are told: those of another life are other ones.
    let earlier = refused(|h| {
        (h.life, h.expected) = (Life::Opened(ClusterIncarnation(7)), Some(DiskId(0xc)));
    });
    assert!(earlier.contains("the earlier life 7, which is over"), "{earlier}");
    let later = refused(|h| h.life = Life::Opened(ClusterIncarnation(13)));
    assert!(later.contains("the later life 13"), "{later}");
}

#[test]
fn what_is_said_of_another_life_fits_into_a_greeting_whatever_the_names() {
    let most = Life::After(ClusterIncarnation(u64::MAX));
    for order in [Ordering::Less, Ordering::Greater] {
        let notice = Notice::other_life(&"x".repeat(64), most, u64::MAX, most, order);
        assert!(notice.reason.len() <= 255, "{} bytes", notice.reason.len());
    }
}

#[tokio::test]
async fn what_is_no_hello_is_no_member() {
    let mut http = &b"GET / HTTP/1.1\r\n\r\n"[..];
    assert_eq!(read_hello(&mut http).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
}
