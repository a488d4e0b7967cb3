//! Pipes between two well-behaved sides: up, both ways, down, and up again.

use super::{Said, dial, eventually, hello, next, pipe_server, quick, taken, until, word};
use crate::{
    listen::Limits,
    pipe::{Diallers, Event, Lost, SendError},
};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_tungstenite::{accept_async, tungstenite::Message};
use tradewind_domain::ids::Incarnation;
use tradewind_protocol::link::{HelloAnswer, PROTOCOL};

#[tokio::test]
async fn messages_go_both_ways_in_order() {
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, quick(), Limits::default()).await;
    let (sender, mut events) = dial(server.address, hello("parent", 1, 1), quick());
    assert_eq!(
        next(&mut events).await,
        Some(Event::Up { protocol: PROTOCOL.max, incarnation: Incarnation(7) })
    );
    let mut child = taken(&mut accepted).await;
    assert_eq!(child.hello, hello("parent", 1, 1));

    let back = child.sender.clone();
    let (down, up) = (
        async {
            for n in 0..5_000 {
                sender.send(word(n)).await.unwrap()
            }
        },
        async {
            for n in 0..5_000 {
                back.send(word(n)).await.unwrap()
            }
        },
    );
    let (at_child, at_parent) = (
        async {
            for n in 0..5_000 {
                assert_eq!(next(&mut child.events).await, Some(Event::Message(word(n))));
            }
        },
        async {
            for n in 0..5_000 {
                assert_eq!(next(&mut events).await, Some(Event::Message(word(n))));
            }
        },
    );
    tokio::join!(down, up, at_child, at_parent);
}

#[tokio::test]
async fn a_pipe_without_messages_stays_up() {
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, quick(), Limits::default()).await;
    let (sender, mut events) = dial(server.address, hello("parent", 1, 1), quick());
    let mut child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    // Given three times the silence that ends a pipe.
    let quiet = quick().silence * 3;
    assert!(tokio::time::timeout(quiet, events.next()).await.is_err());
    assert!(child.events.next().now_or_never().is_none());

    sender.send(word(1)).await.unwrap();
    assert_eq!(next(&mut child.events).await, Some(Event::Message(word(1))));
}

#[tokio::test]
async fn a_pipe_is_pinged_while_one_side_is_quiet_and_not_while_both_speak() {
    // given: another side that answers words as long as it is told to, and counts pings
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = crate::pipe::Options {
        ping_every: Duration::from_millis(150),
        silence: super::SOON,
        ..quick()
    };
    let (sender, mut events) = dial(address, hello("parent", 1, 1), options.clone());
    let mut socket = welcome_by_hand(&listener).await;
    let pings = Arc::new(AtomicU32::new(0));
    let (counted, (answers, mut told)) = (pings.clone(), tokio::sync::watch::channel(true));
    let other = tokio::spawn(async move {
        while let Some(Ok(frame)) = socket.next().await {
            match frame {
                Message::Ping(_) => drop(counted.fetch_add(1, Ordering::Relaxed)),
                text if *told.borrow_and_update() => socket.send(text).await.unwrap(),
                _ => {}
            }
        }
    });
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));
    // when: both speak, for as long as sixteen pings would take
    let began = Instant::now();
    while began.elapsed() < options.ping_every * 16 {
        sender.send(word(1)).await.unwrap();
        assert_eq!(next(&mut events).await, Some(Event::Message(word(1))));
    }
    // then: one or two at the most, where the machine stood still for long
    let while_both_spoke = pings.load(Ordering::Relaxed);
    assert!(while_both_spoke < 5, "{while_both_spoke} pings");
    // when: the other side says nothing of its own any more
    answers.send_replace(false);
    let speaks = async {
        loop {
            sender.send(word(2)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let asked = eventually(|| pings.load(Ordering::Relaxed) > while_both_spoke + 1);
    tokio::select! { () = asked => {}, () = speaks => {} }
    // and when nobody does
    let before = pings.load(Ordering::Relaxed);
    eventually(|| pings.load(Ordering::Relaxed) > before + 1).await;
    other.abort();
}

#[tokio::test]
async fn dropping_the_dialler_closes_the_pipe_for_good() {
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, quick(), Limits::default()).await;
    let (sender, mut events) = dial(server.address, hello("parent", 1, 1), quick());
    let mut child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    drop(events);

    assert_eq!(next(&mut child.events).await, Some(Event::Down(Lost::Closed)));
    assert_eq!(next(&mut child.events).await, None);
    eventually(|| !child.sender.is_up() && !sender.is_up()).await;
    assert_eq!(sender.send(word(1)).await, Err(SendError::NotUp));
    assert!(accepted.recv().now_or_never().is_none());
}

#[tokio::test]
async fn dropping_the_accepted_end_is_told_and_dialled_again() {
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, quick(), Limits::default()).await;
    let (_sender, mut events) = dial(server.address, hello("parent", 1, 1), quick());
    let child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    drop(child);

    assert_eq!(next(&mut events).await, Some(Event::Down(Lost::Closed)));
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));
    taken(&mut accepted).await;
}

/// Takes one connection and welcomes it, as a process would that is then killed.
async fn welcome_by_hand(listener: &TcpListener) -> super::misuse::ByHand {
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = accept_async(stream).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let welcome = HelloAnswer::Welcome { protocol: 1, incarnation: Incarnation(9) };
    socket.send(Message::text(serde_json::to_string(&welcome).unwrap())).await.unwrap();
    socket
}

#[tokio::test]
async fn a_process_that_is_gone_is_told_from_one_that_is_away_and_dialled_until_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut events) = dial(address, hello("parent", 1, 1), quick());
    let socket = welcome_by_hand(&listener).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    // When its sockets are closed by the kernel, without a word.
    drop(listener);
    drop(socket);

    assert_eq!(next(&mut events).await, Some(Event::Down(Lost::Reset)));
    assert_eq!(sender.send(word(1)).await, Err(SendError::NotUp));
    for _ in 0..3 {
        assert_eq!(next(&mut events).await, Some(Event::Down(Lost::ConnectRefused)));
    }

    let listener = TcpListener::bind(address).await.unwrap();
    let mut socket = welcome_by_hand(&listener).await;
    until(&mut events, |event| matches!(event, Event::Up { .. })).await;

    // Then nothing of what was sent while it was down turns up.
    sender.send(word(2)).await.unwrap();
    let text = loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            break text;
        }
    };
    assert_eq!(serde_json::from_str::<Said>(&text).unwrap(), word(2));
}

#[tokio::test]
async fn a_target_without_an_address_is_asked_again() {
    let target = || async { Err("not known yet".to_string()) }.boxed();
    let (_sender, mut events) =
        crate::pipe::dial::<Said, Said>(target, || hello("parent", 1, 1), quick());
    for _ in 0..3 {
        assert_eq!(next(&mut events).await, Some(Event::Down(Lost::Unreachable)));
    }
}

#[tokio::test]
async fn waits_between_dials_grow_and_stay_below_their_bound() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_sender, mut events) = dial(address, hello("parent", 1, 1), quick());
    let began = Instant::now();
    for _ in 0..12 {
        assert_eq!(next(&mut events).await, Some(Event::Down(Lost::ConnectRefused)));
    }
    // Eleven waits: 5, 10, 20 and eight times 40 ms, each halved at most.
    assert!(began.elapsed() >= Duration::from_micros(177_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_reader_that_stops_makes_the_sender_wait_and_loses_nothing_of_what_it_took() {
    let options = crate::pipe::Options { queue_frames: 16, ..quick() };
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, options.clone(), Limits::default()).await;
    let (sender, mut events) = dial(server.address, hello("parent", 1, 1), options);
    let mut child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    // When the child's owner does not read, and the parent sends what is taken.
    let filling = "x".repeat(16 << 10);
    let mut sent = 0;
    let filled = async {
        while sender.send(Said::Word { n: sent, filling: filling.clone() }).await.is_ok() {
            sent += 1;
        }
    };
    tokio::time::timeout(super::SOON, filled).await.expect("the pipe gives up at last");

    // Then no more was taken than queues and socket buffers hold, and the pipe was found dead.
    assert!((32..2_000).contains(&sent), "{sent} frames of 16 KiB");
    assert_eq!(
        until(&mut events, |e| matches!(e, Event::Down(_))).await,
        Event::Down(Lost::Silent)
    );
    let mut read = 0;
    let end = loop {
        match next(&mut child.events).await.unwrap() {
            Event::Message(Said::Word { n, .. }) => {
                assert_eq!(n, read);
                read += 1;
            }
            other => break other,
        }
    };
    assert!(matches!(end, Event::Down(_)), "{end:?}");
    assert!(read >= 16);
}

#[tokio::test]
async fn a_full_queue_is_told_to_who_does_not_wait() {
    let options = crate::pipe::Options { queue_frames: 4, ..quick() };
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, options.clone(), Limits::default()).await;
    let (sender, mut events) = dial(server.address, hello("parent", 1, 1), options);
    let _child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    let tries = (0..100).map(|n| sender.try_send(word(n)));

    assert_eq!(tries.filter(|tried| *tried == Err(SendError::Full)).count(), 96);
}

#[tokio::test]
async fn a_message_larger_than_a_frame_is_refused_where_it_is_sent() {
    let options = crate::pipe::Options { frame_bytes: 1_000, ..quick() };
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, options.clone(), Limits::default()).await;
    let (sender, mut events) = dial(server.address, hello("parent", 1, 1), options);
    let mut child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    let large = Said::Word { n: 0, filling: "x".repeat(1_000) };
    assert!(matches!(sender.send(large).await, Err(SendError::Unsendable(_))));

    sender.send(word(1)).await.unwrap();
    assert_eq!(next(&mut child.events).await, Some(Event::Message(word(1))));
}

#[tokio::test]
async fn an_open_pipe_keeps_its_seat_until_it_is_closed() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let (server, _gate, mut accepted) = pipe_server(Diallers::One, quick(), limits).await;
    let (_sender, mut events) = dial(server.address, hello("parent", 1, 1), quick());
    let _child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    let (_other, mut others) = dial(server.address, hello("parent", 2, 1), quick());
    let down = next(&mut others).await;
    assert!(matches!(down, Some(Event::Down(_))), "{down:?}");

    drop(events);
    until(&mut others, |event| matches!(event, Event::Up { .. })).await;
}

#[tokio::test]
async fn two_owners_that_only_send_do_not_hold_each_other_up_for_ever() {
    let options = crate::pipe::Options { queue_frames: 4, ..quick() };
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, options.clone(), Limits::default()).await;
    let (sender, mut events) = dial(server.address, hello("parent", 1, 1), options);
    let child = taken(&mut accepted).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));

    let flood = async |sender: &crate::pipe::Sender<Said>| {
        let filling = "x".repeat(64 << 10);
        while sender.send(Said::Word { n: 0, filling: filling.clone() }).await.is_ok() {}
    };

    let both = async { tokio::join!(flood(&sender), flood(&child.sender)) };
    tokio::time::timeout(super::SOON, both).await.expect("both are told");
}
