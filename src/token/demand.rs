//! A refresh on the operator's word. It obeys the budgets of rejections; only a back-off is not waited for, since the
//! operator may have mended what was wrong.

use super::issuer::{Fetch, Issuer};
use super::record::Reason;
use super::refresher::{NotFetched, Refresher};
use super::{Demand, Met};
use crate::config::TokenKind;

impl<I: Issuer> Refresher<I> {
    pub(super) async fn meet(&mut self, demand: Demand) {
        let before = self.snapshot.token.as_ref().map(|token| token.generation());
        let met = match (demand.force, self.settings.kind) {
            (true, TokenKind::Classic) => Met::NothingToForce,
            (force, _) => {
                let fetch = if force { Fetch::Forced } else { self.first_choice() };
                match self.fetch(fetch, Reason::Operator).await {
                    Ok(token) if Some(token.generation()) == before => Met::Same(token),
                    Ok(token) => Met::New(token),
                    Err(NotFetched::Failed(failure)) => Met::Failed(failure),
                    Err(NotFetched::Spent(spent)) => Met::Withheld(spent),
                    Err(NotFetched::NotNow) => Met::TimedOut, // it is the timer's, which answers nobody
                }
            }
        };
        // Who asked may have gone.
        let _ = demand.reply.send(met);
    }
}
