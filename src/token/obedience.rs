//! What a refresher does when it is told something.

use tokio::time::Instant;

use super::issuer::Issuer;
use super::orders::{Order, Orders, orders};
use super::refresher::Refresher;

impl<I: Issuer> Refresher<I> {
    /// From now on the refresher takes orders, from these alone.
    pub fn orders(&mut self) -> Orders<I> {
        let (orders, inbox) = orders();
        self.inbox = inbox;
        orders
    }

    pub(super) fn obey(&mut self, order: Order<I>) {
        match order {
            Order::Change(settings, issuer, store) => {
                self.settings = settings;
                self.issuer = issuer;
                self.store = store;
                if self.snapshot.failure.is_some() {
                    self.next = Instant::now();
                } else if let Some(token) = self.snapshot.token.clone() {
                    let life = token.expires_at() - token.fetched_at();
                    self.put_in_force(token, life); // the margin may be another
                }
            }
            Order::Rest => self.resting = true,
        }
    }
}
