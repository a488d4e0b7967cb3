//! The service's side of its Manager. Decides when it checks in, what it takes from the pipe and when it
//! is on its own: refused, or without a pipe for too long, which a Trader is only by the group's word (`holder`,
//! docs/decisions/0082). A lost pipe alone changes nothing.

use super::{
    Context,
    holder::{Question as HolderQuestion, Word},
    load::LoadMeter,
    right::Right,
};
use crate::{limits, supervision::fence_of};
use std::{collections::BTreeMap, future::pending, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until},
};
use tradewind_domain::{
    control::handed_back::Failure,
    ids::{Epoch, ManagerId, ServiceId, TraderId},
};
use tradewind_link::{
    pipe::{Accepted, Event, Events, Question, Questions, Sender},
    rest::{Method, Rest, RestError},
};
use tradewind_protocol::{
    Code,
    asks::{ServiceAnswer, ServiceAsk},
    check_in::{ServiceCheckIn, ServiceCheckedIn},
    copies::LedgerStatus,
    supervision::{Configuration, FromService, ServiceState, ToService},
    venue::VenueStatus,
};

/// Why a service no longer has a Manager to work for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parted {
    /// The Manager asked it to stop.
    Stop,
    /// The Manager does not know it.
    Disowned,
    /// No Manager came for too long.
    Abandoned,
    /// Nor did one for a Trader, which is another's by now, or not to run: what the group says.
    Superseded(String),
}

type Checked = Result<(u16, ServiceCheckedIn), RestError>;

/// Where the words of the service's work arrive.
pub(super) struct Words {
    pub(super) said: watch::Receiver<(ServiceState, String)>,
    pub(super) gives_up: watch::Receiver<Option<Failure>>,
    pub(super) fenced: watch::Receiver<BTreeMap<TraderId, Epoch>>,
    pub(super) venue: watch::Receiver<Option<VenueStatus>>,
    pub(super) ledger: watch::Receiver<Option<LedgerStatus>>,
    pub(super) asked: mpsc::Receiver<Question<ServiceAsk, ServiceAnswer>>,
}

pub(super) struct Parent {
    context: Context,
    /// Host and port where this service listens.
    address: String,
    rest: Rest,
    configuration: watch::Sender<Option<Configuration>>,
    words: Words,
    pipe: Option<(Sender<FromService>, Events<ToService>)>,
    /// Those that are open on the pipe that stands.
    questions: Questions<ServiceAnswer>,
    /// Whether the Manager at the other end knows questions.
    answers: bool,
    beats: u64,
    /// `None` of a Trader: what works there is its algo, in a process of its own.
    load: Option<LoadMeter>,
    /// When it looked at its right last, and beat if there was somebody to beat to.
    beaten_at: Instant,
    right: Right,
    /// Who opened the last pipe.
    manager: Option<ManagerId>,
    /// When it has been without a pipe for too long.
    alone_until: Instant,
    asking: Option<JoinHandle<Word>>,
    checking_in: Option<JoinHandle<Checked>>,
    check_in_at: Instant,
    /// The wait after a check-in that was not accepted.
    again: Duration,
}

impl Parent {
    pub(super) fn new(
        context: Context,
        address: String,
        configuration: watch::Sender<Option<Configuration>>,
        words: Words,
        right: Right,
    ) -> Self {
        let is_trader = matches!(context.service, ServiceId::Trader { .. });
        let load = (!is_trader).then(|| LoadMeter::new(self::now()));
        let now = Instant::now();
        let alone_until = now + context.adopted_within;
        Self {
            context,
            address,
            rest: Rest::default(),
            configuration,
            words,
            pipe: None,
            questions: Questions::new(limits::QUESTIONS),
            answers: false,
            beats: 0,
            load,
            beaten_at: now,
            right,
            manager: None,
            alone_until,
            asking: None,
            checking_in: None,
            check_in_at: now,
            again: limits::CHECK_IN_AGAIN_FIRST,
        }
    }

    pub(super) async fn run(
        mut self,
        mut pipes: mpsc::Receiver<Accepted<FromService, ToService>>,
    ) -> Parted {
        loop {
            let alone = self.pipe.is_none();
            let may_check_in = alone && self.checking_in.is_none();
            let may_ask = alone && self.asking.is_none();
            tokio::select! {
                Some(accepted) = pipes.recv() => self.on_pipe(accepted),
                event = next_of(&mut self.pipe) => {
                    if let Some(parted) = self.on_event(event) {
                        return parted;
                    }
                }
                () = sleep_until(self.right.next_beat(self.beaten_at)) => {
                    self.right.look(now());
                    self.beat();
                }
                Ok(()) = self.words.said.changed() => self.beat(),
                Ok(()) = self.words.gives_up.changed() => self.beat(),
                Ok(()) = self.words.fenced.changed() => self.beat(),
                Ok(()) = self.words.venue.changed() => self.beat(),
                Ok(()) = self.words.ledger.changed() => self.beat(),
                Some(question) = self.words.asked.recv() => self.ask(question),
                () = sleep_until(self.check_in_at), if may_check_in => self.check_in(),
                answer = done(&mut self.checking_in) => {
                    if let Some(parted) = self.on_checked_in(answer) {
                        return parted;
                    }
                }
                () = sleep_until(self.alone_until), if may_ask => if !self.asks() {
                    return Parted::Abandoned;
                },
                word = done(&mut self.asking) => if let Some(parted) = self.on_word(word) {
                    return parted;
                },
            }
        }
    }

    fn on_pipe(&mut self, accepted: Accepted<FromService, ToService>) {
        let Accepted { hello, sender, events } = accepted;
        tracing::info!(
            manager = hello.from,
            incarnation = hello.incarnation.0,
            "manager's pipe is up"
        );
        self.manager = hello.from.parse().ok();
        if let Some(asking) = self.asking.take() {
            // What was asked before it came says nothing of what it tells.
            asking.abort();
        }
        self.questions.down();
        self.answers = hello.protocol.max >= 2;
        self.pipe = Some((sender, events));
        self.right.pipe(true, now());
        self.again = limits::CHECK_IN_AGAIN_FIRST;
        self.beat();
    }

    fn on_event(&mut self, event: Option<Event<ToService>>) -> Option<Parted> {
        match event {
            Some(Event::Message(ToService::Configure { configuration })) => {
                self.configure(configuration);
            }
            Some(Event::Message(ToService::Stop)) => return Some(Parted::Stop),
            Some(Event::Message(ToService::BeatAnswer { n })) => self.right.confirmed(n, now()),
            Some(Event::Message(ToService::Heard { .. })) => self.right.unconfirmed(now()),
            Some(Event::Message(ToService::Answer { n, answer })) => {
                self.questions.answered(n, answer);
            }
            Some(Event::Up { .. }) => {}
            Some(Event::Down(lost)) => self.lost(&lost.to_string()),
            None => self.lost("closed"),
        }
        None
    }

    fn lost(&mut self, why: &str) {
        tracing::info!(why, "manager's pipe is lost");
        self.pipe = None;
        self.questions.down();
        self.right.pipe(false, now());
        let now = Instant::now();
        self.alone_until = now + self.context.adopted_within;
        self.check_in_at = now + limits::ALONE_AFTER;
    }

    /// No Manager came for too long. `false`: there is nothing to ask.
    fn asks(&mut self) -> bool {
        let question =
            HolderQuestion::of(self.configuration.borrow().as_ref(), self.manager.as_ref());
        self.asking = question.map(|question| tokio::spawn(question.ask(self.context.asks_within)));
        self.asking.is_some()
    }

    fn on_word(&mut self, word: Result<Word, JoinError>) -> Option<Parted> {
        self.asking = None;
        self.alone_until = Instant::now() + self.context.asks_every;
        match word {
            // Whoever came meanwhile knows better.
            _ if self.pipe.is_some() => {}
            Ok(Word::End(why)) => {
                tracing::warn!(why, "no manager came: the group was asked");
                return Some(Parted::Superseded(why));
            }
            Ok(Word::GoOn(why)) => {
                tracing::info!(why, "no manager came: it goes on, and asks the group again");
            }
            Err(error) => tracing::error!(%error, "the group could not be asked"),
        }
        None
    }

    fn configure(&mut self, configuration: Configuration) {
        self.configuration.send_if_modified(|held| {
            let newer = |held: &Configuration| {
                let (held, offered) = (fence_of(held), fence_of(&configuration));
                held.cluster != offered.cluster || held.epoch <= offered.epoch
            };
            if !held.as_ref().is_none_or(newer) {
                tracing::warn!("configuration of a superseded right ignored");
                return false;
            }
            if held.as_ref() == Some(&configuration) {
                return false;
            }
            *held = Some(configuration.clone());
            true
        });
    }

    fn beat(&mut self) {
        self.beaten_at = Instant::now();
        let Some((sender, _)) = &self.pipe else { return };
        self.beats += 1;
        let (state, detail) = self.words.said.borrow_and_update().clone();
        let handed_back = *self.words.gives_up.borrow_and_update();
        let fenced = self.words.fenced.borrow_and_update().clone();
        // One that finds no room is left out: the next tells the same.
        let venue = self.words.venue.borrow_and_update().clone();
        let ledger = self.words.ledger.borrow_and_update().clone();
        let load = self.load.as_mut().and_then(|load| load.look(now()));
        let n = self.beats;
        let beat = FromService::Beat { n, state, detail, handed_back, fenced, venue, ledger, load };
        if sender.try_send(beat).is_ok() {
            self.right.beat_sent(self.beats, now());
        }
    }

    fn ask(&mut self, question: Question<ServiceAsk, ServiceAnswer>) {
        let to = self.pipe.as_ref().filter(|_| self.answers).map(|(sender, _)| sender);
        self.questions.put(question, |n, ask| {
            to.is_some_and(|to| to.try_send(FromService::Ask { n, ask }).is_ok())
        });
    }

    fn check_in(&mut self) {
        let ask = ServiceCheckIn {
            service: self.context.service.clone(),
            token: self.context.token.clone(),
            incarnation: self.context.incarnation,
            pid: std::process::id(),
            address: self.address.clone(),
        };
        let (rest, manager) = (self.rest.clone(), self.context.manager.clone());
        self.checking_in = Some(tokio::spawn(async move {
            let path = "/v1/services/check-in";
            let within = limits::CHECK_IN_ATTEMPT;
            rest.request(Method::POST, &manager, path, &[], Some(&ask), within).await
        }));
    }

    fn on_checked_in(&mut self, answer: Result<Checked, JoinError>) -> Option<Parted> {
        self.checking_in = None;
        let again = match answer {
            // Now the Manager opens the pipe; if it does not, it is asked again.
            Ok(Ok(_)) => limits::ALONE_AFTER,
            Ok(Err(RestError::Refused(problem))) if problem.code == Code::Unauthorized => {
                return Some(Parted::Disowned);
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "check-in not accepted");
                let wait = self.again;
                self.again = (wait * 2).min(limits::CHECK_IN_AGAIN_MAX);
                wait
            }
            Err(error) => {
                tracing::error!(%error, "check-in failed");
                limits::CHECK_IN_AGAIN_MAX
            }
        };
        self.check_in_at = Instant::now() + again;
        None
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

async fn next_of<A, B>(pipe: &mut Option<(Sender<A>, Events<B>)>) -> Option<Event<B>> {
    match pipe {
        Some((_, events)) => events.next().await,
        None => pending().await,
    }
}

async fn done<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(task) => task.await,
        None => pending().await,
    }
}
