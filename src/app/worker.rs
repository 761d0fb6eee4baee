//! One worker's requests, under the setup in force.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::gateway::{Gateway, Peer, ReplyBody, Setup};
use crate::observe::Observer;
use crate::server::{Arrival, Handler};
use crate::upstream::ConnectError;

/// Hands requests to a gateway, which it replaces when another setup comes into force.
pub(super) struct Worker {
    in_force: Arc<ArcSwap<Setup>>,
    gateway: RefCell<Rc<Gateway>>,
}

impl Worker {
    pub(super) fn new(in_force: Arc<ArcSwap<Setup>>, observer: Rc<Observer>) -> Result<Self, ConnectError> {
        let gateway = Gateway::new(in_force.load_full(), observer)?;
        Ok(Self { in_force, gateway: RefCell::new(Rc::new(gateway)) })
    }

    /// One look at what is in force, and no shared count to go up and down: a request holds the worker's own gateway.
    fn gateway(&self) -> Rc<Gateway> {
        let in_force = self.in_force.load();
        let mut gateway = self.gateway.borrow_mut();
        if !Arc::ptr_eq(&in_force, gateway.setup()) {
            match gateway.under(Arc::clone(&in_force)) {
                Ok(next) => *gateway = Rc::new(next),
                // The reload has made one already, so this does not happen.
                Err(error) => {
                    tracing::error!(%error, "a worker cannot use the new configuration; it goes on with the old")
                }
            }
        }
        Rc::clone(&gateway)
    }
}

impl Handler for Worker {
    type Body = ReplyBody;

    fn handle(&self, request: Request<Incoming>, from: &Arrival) -> impl Future<Output = Response<ReplyBody>> + use<> {
        let peer = Peer { address: from.peer, names: Rc::clone(&from.names) };
        self.gateway().handle(request, from.listener, peer)
    }
}
