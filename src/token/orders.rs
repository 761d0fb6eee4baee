//! What a running refresher may be told, besides that a token was refused.

use tokio::sync::mpsc;

use super::settings::Settings;
use super::store::Store;

/// Directs a running refresher. Dropping it ends the refresher, whatever handles there are.
#[derive(Debug)]
pub struct Orders<I>(mpsc::UnboundedSender<Order<I>>);

/// Where they arrive; nothing ever does where nobody directs.
#[derive(Debug)]
pub(super) struct Inbox<I>(Option<mpsc::UnboundedReceiver<Order<I>>>);

#[derive(Debug)]
pub(super) enum Order<I> {
    Change(Settings, I, Box<dyn Store>),
    Rest,
}

impl<I> Orders<I> {
    /// From now on the account is kept so, and its tokens are fetched there; the token in use stays. After a failure it is
    /// tried at once: the change may be the cure.
    pub fn change(&self, settings: Settings, issuer: I, store: Box<dyn Store>) {
        self.send(Order::Change(settings, issuer, store));
    }

    /// No more fetches ahead of time: the process is about to end, and the next one will see to it. Requests in flight
    /// may still need a better token, and get it.
    pub fn rest(&self) {
        self.send(Order::Rest);
    }

    fn send(&self, order: Order<I>) {
        let _ = self.0.send(order); // one that has ended needs no orders
    }
}

/// Orders, and where they arrive.
pub(super) fn orders<I>() -> (Orders<I>, Inbox<I>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Orders(sender), Inbox(Some(receiver)))
}

impl<I> Inbox<I> {
    pub(super) fn of_nobody() -> Self {
        Self(None)
    }

    /// The next order; `None` when the refresher is to end.
    pub(super) async fn next(&mut self) -> Option<Order<I>> {
        match &mut self.0 {
            Some(orders) => orders.recv().await,
            None => std::future::pending().await,
        }
    }
}
