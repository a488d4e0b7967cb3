//! A handle of one order: futures for what becomes of it. Decides how an outcome that is not known is learned, by the stream or
//! by asking for the order under its id, never by sending it again.

use super::Session;
use crate::{
    error::{Error, OrderError},
    orders::OrderRequest,
    tracked::{Known, Watched},
};
use reqwest::Url;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tradewind_protocol::{
    domain::{
        ids::{AccountId, ClientOrderId},
        trading::{Order, OrderState},
    },
    orders::Orders,
};

/// An order whose outcome is not known is asked for again after so long, longer each time.
const ASK_AGAIN_FIRST: Duration = Duration::from_millis(100);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(5);

/// Where an order is looked for: on that account, or on all that the customer has by then.
type Place = Option<AccountId>;

/// An order and what becomes of it, over reconnects. Clones are of the same order. It keeps the latest that is known and no
/// queue, so it may be held unread for as long as one likes; the session stays open while a handle of it is held. All its
/// futures may be cancelled and made again, and several may be awaited at once.
///
/// ```no_run
/// # async fn run(session: tradewind_sdk::Session) -> Result<(), tradewind_sdk::Error> {
/// use tradewind_sdk::{OrderRequest, OrderState, Side};
/// let request = OrderRequest::limit("BTC/USD", Side::Buy, "0.001", "64000".parse()?)?;
/// let order = session.submit_tracked(&request).await?;
/// if let Some(why) = order.unknown() {
///     eprintln!("it may or may not have been placed: {why}");
/// }
/// let at_the_venue = order.state(OrderState::New).await?;
/// println!("{} is {:?}", at_the_venue.order_id, at_the_venue.state);
/// let ended = order.ended().await?;
/// println!("{:?}, {} filled", ended.state, ended.filled_quantity);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OrderHandle {
    session: Session,
    watched: Arc<Watched>,
    /// One of its futures asks; the others hear of it.
    asking: Arc<tokio::sync::Mutex<()>>,
    /// Why it was not known whether it was placed.
    unknown: Option<String>,
}

impl Session {
    /// Submits an order as [`Session::submit`] does, and gives a handle that follows it. One whose outcome is not known has a
    /// handle, too: it learns the outcome from the account's stream or by asking, and says [`OrderHandle::unknown`] until then.
    /// So the only error is a refusal: the order was surely not placed. All handles share the session's one subscription of
    /// an account's orders.
    pub async fn submit_tracked(&self, request: &OrderRequest) -> Result<OrderHandle, OrderError> {
        // Before it is sent: what the stream tells ahead of the answer is not missed.
        let watched = self.tracked.watch(request.id(), request.body.account.as_ref());
        let gaps = watched.gaps();
        let unknown = match self.submit(request).await {
            Ok(order) => {
                watched.answered(&order, gaps);
                None
            }
            Err(OrderError::Unknown { last, .. }) => Some(last),
            Err(refused @ OrderError::Refused { .. }) => return Err(refused),
        };
        let (session, watched) = (self.clone(), Arc::new(watched));
        Ok(OrderHandle { session, watched, asking: Arc::default(), unknown })
    }

    /// The order of that id, as its ledger has it, on that account or on any of the customer's; the newest one, if an id was
    /// used again.
    async fn find(&self, id: &ClientOrderId, place: &Place) -> Result<Option<Order>, Error> {
        // The id may hold whatever can be printed.
        let account = place.as_ref().map(|account| ("account", account.as_str()));
        let asked = account.into_iter().chain([("client_order_id", id.as_str())]);
        let url = Url::parse_with_params("http://edge/v1/orders", asked)
            .map_err(|error| Error::Configuration(format!("{id} cannot be asked for: {error}")))?;
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let orders = self.get::<Orders>(&path).await?.orders.into_iter();
        Ok(orders.filter(|order| order.client_order_id == *id).max_by_key(|it| it.created_at))
    }
}

impl OrderHandle {
    /// The id by which it was asked for.
    #[must_use]
    pub fn id(&self) -> &ClientOrderId {
        self.watched.id()
    }

    /// The order as it was last heard of; `None` while it is not known whether it was placed.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        self.watched.known.borrow().order.clone()
    }

    /// Why it is not known whether it was placed; `None` once it is known that it was.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        let is_known = self.watched.known.borrow().order.is_some();
        self.unknown.as_deref().filter(|_| !is_known)
    }

    /// The order once it is durable in its ledger: at once, unless the outcome is not known. Of one that was not placed nothing
    /// ever tells so for certain: await it for as long as it matters.
    pub async fn accepted(&self) -> Result<Order, Error> {
        self.until(|known| known.order.is_some()).await
    }

    /// The order, as it is then, once it was in that state since the handle was made, or has gone past it: look at its `state`.
    /// At its end, whichever it is, each of them is over.
    ///
    /// Past `Accepted` is every order, past `PendingNew` one that was sent, past `New` one that fills or is being replaced, past
    /// `PartiallyFilled` one that has fills. `PendingCancel`, `PendingReplace` and `Unknown` come and go.
    pub async fn state(&self, state: OrderState) -> Result<Order, Error> {
        self.until(|known| known.is_over(state)).await
    }

    /// The order once it has ended: filled, canceled, rejected or expired. A late fill may still complete one that was canceled
    /// or has expired; [`OrderHandle::order`] has it then.
    pub async fn ended(&self) -> Result<Order, Error> {
        self.until(Known::has_ended).await
    }

    async fn until(&self, mut over: impl FnMut(&Known) -> bool) -> Result<Order, Error> {
        let mut known = self.watched.known.clone();
        let heard = async {
            let now = known.wait_for(|known| over(known)).await.ok()?;
            now.order.clone()
        };
        tokio::select! {
            biased;
            order = heard => order.ok_or(Error::Closed),
            refused = self.ask_in_doubt() => Err(refused),
        }
    }

    /// Asks for it whenever it is not known, or changes of it may be missing. Returns only if asking is refused.
    async fn ask_in_doubt(&self) -> Error {
        let _one_at_a_time = self.asking.lock().await;
        let mut known = self.watched.known.clone();
        loop {
            if known.wait_for(Known::is_doubted).await.is_err() {
                return Error::Closed;
            }
            let mut wait = ASK_AGAIN_FIRST;
            while let Some(places) = self.to_be_asked() {
                if let Err(refused) = self.ask(places).await {
                    return refused;
                }
                sleep(wait).await;
                wait = (wait * 2).min(ASK_AGAIN_MAX);
            }
        }
    }

    /// Where it may be; `None` if it is known well enough. The accounts that are known are asked one by one, so that one that is
    /// away hides none of the others; then all, since it may have been routed to one that was granted meanwhile.
    fn to_be_asked(&self) -> Option<Vec<Place>> {
        let known = self.watched.known.borrow().clone();
        if !known.is_doubted() {
            return None;
        }
        let at = known.order.map(|order| order.order_id.account);
        let named = at.or_else(|| self.watched.account().cloned());
        let everywhere = || self.session.accounts().into_iter().map(Some).chain([None]).collect();
        Some(named.map_or_else(everywhere, |account| vec![Some(account)]))
    }

    /// Asks once around. Refused only if nobody is left who may tell.
    async fn ask(&self, places: Vec<Place>) -> Result<(), Error> {
        let gaps = self.watched.gaps();
        let (mut refused, mut may_tell) = (None, false);
        for place in places {
            match self.session.find(self.id(), &place).await {
                Ok(Some(order)) => {
                    // Nobody asks for it any more: from here on its account's stream tells of it.
                    self.session.follow(&order.order_id.account).await;
                    self.watched.answered(&order, gaps);
                    return Ok(());
                }
                // It may be under way still.
                Ok(None) | Err(Error::Unreachable { .. }) => may_tell = true,
                Err(error) => refused = Some(error),
            }
        }
        refused.filter(|_| !may_tell).map_or(Ok(()), Err)
    }
}
