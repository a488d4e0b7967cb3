//! What a service says over its pipe. Decides what of it is news, and that every beat and every question is answered.

use super::{Keeper, Life};
use tradewind_link::pipe::Event;
use tradewind_protocol::supervision::{FromService, ServiceState, ToService};

impl Keeper {
    pub(super) async fn on_event(&mut self, life: &mut Life, event: Option<Event<FromService>>) {
        life.message();
        match event {
            Some(Event::Up { incarnation, .. }) => {
                if life.up(incarnation) {
                    self.configure(life).await;
                } else {
                    tracing::warn!(service = %self.service, %incarnation, "another one answers");
                    life.link.hang_up();
                }
            }
            Some(Event::Message(FromService::Beat {
                n,
                state,
                detail,
                handed_back,
                fenced,
                venue,
                ledger,
                load,
            })) => {
                life.beaten(n, *self.setup.confirmed.borrow());
                if let Some(load) = load {
                    (self.setup.loads)(&self.service, load);
                }
                let told = (self.crashes.or(handed_back), fenced, venue, ledger);
                let report = &mut self.report;
                let before = (&report.handed_back, &report.fenced, &report.venue, &report.ledger);
                let news = before != (&told.0, &told.1, &told.2, &told.3);
                (report.handed_back, report.fenced, report.venue, report.ledger) = told;
                if self.say(state, detail) || news {
                    self.tell(Some(life.record.clone())).await;
                }
            }
            Some(Event::Message(FromService::Ask { n, ask })) => {
                let answer = (self.setup.answers)(&self.service, ask);
                life.link.send(ToService::Answer { n, answer });
            }
            Some(Event::Down(lost)) => {
                life.down(lost.to_string());
                if self.say(ServiceState::Connecting, format!("its pipe is down: {lost}")) {
                    self.tell(Some(life.record.clone())).await;
                }
            }
            // Nobody dials any more; the service checks in when it is alone for too long.
            None => life.link.hang_up(),
        }
    }
}
