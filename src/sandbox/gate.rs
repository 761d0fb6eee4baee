//! A gate that holds requests until a test lets them through.

use tokio::sync::watch;

/// Holds the requests that a fault leads to it. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    held: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self { held: watch::Sender::new(0), open: watch::Sender::new(false) }
    }

    /// Waits until at least `count` requests stand before the gate at once. Those whose caller has
    /// gone away do not count.
    pub async fn held(&self, count: usize) {
        // The sender lives in `self`, so the wait cannot end early.
        let _ = self.held.subscribe().wait_for(|held| *held >= count).await;
    }

    /// Lets those through that wait, and all that come.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Holds those that come from now on.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// Stands before the gate until it opens.
    pub(super) async fn pass(&self) {
        let _counted = Counted::new(&self.held);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts one request for as long as it waits, also when it is dropped while waiting.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(held: &'a watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Self(held)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_wait_until_the_gate_opens() {
        let gate = Gate::new();
        let waiting = [gate.clone(), gate.clone()].map(|gate| tokio::spawn(async move { gate.pass().await }));
        gate.held(2).await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        gate.open();
        for task in waiting {
            task.await.unwrap();
        }
        gate.pass().await;
    }

    #[tokio::test]
    async fn one_that_goes_away_is_no_longer_held() {
        let gate = Gate::new();
        let lost = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass().await }
        });
        gate.held(1).await;
        lost.abort();
        assert!(lost.await.unwrap_err().is_cancelled());
        assert_eq!(*gate.held.borrow(), 0);
    }
}
