//! The admin listener: a server of its own, so that the operator's connections are bounded like callers', and apart from
//! theirs.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::task::JoinSet;

use super::error::AppError;
use super::parts;
use crate::address::{Address, Inherited};
use crate::admin::{Admin, AnswerBody, Desk, Entrance, Shown};
use crate::config::Config;
use crate::server::{Arrival, Connections, Handler, Limits, Listener, Plan, Server, Threads, Timeouts};
use crate::stage::{Control, Stage, control};

/// Scrapers, probes and a few open pages; whoever could open more would take descriptors from callers.
const LIMITS: Limits = Limits {
    connections: 64,
    head_size: 16 * 1024,
    timeouts: Timeouts {
        head: Duration::from_secs(15),
        idle: Duration::from_secs(75), // more than the minute between two scrapes
        send: Duration::from_secs(30),
    },
};

/// The admin listener, bound.
pub(super) struct Operator {
    plan: Plan,
    admin: Admin,
}

impl Operator {
    /// Listens where the operator comes in, or takes the socket that was passed for it; `None` where nowhere is asked for.
    pub(super) fn bind(config: &Config, inherited: &Inherited, shown: Shown) -> Result<Option<Self>, AppError> {
        let Some(address) = config.admin.address.as_ref().map(parts::address) else { return Ok(None) };
        let entrance = Entrance {
            loopback: parts::is_loopback(&address),
            hosts: config.admin.hosts.clone(),
            token: config.admin.token.clone(),
        };
        // Two processes side by side must have room for the operator as well.
        let reuse_port = config.listeners.iter().any(|listener| listener.reuse_port);
        let plan = Plan::bind([Listener { address, tls: None, reuse_port }], inherited).map_err(AppError::Admin)?;
        Ok(Some(Self { plan, admin: Admin::new(entrance, shown) }))
    }

    /// Its address, with its real port.
    pub(super) fn address(&self) -> Option<&Address> {
        self.plan.listeners().map(|(_, address)| address).next()
    }

    /// Serves as one of `tasks`, as long as they last: through a drain too, since that is when the operator looks.
    /// `control` is what the operator stops.
    pub(super) async fn serve(self, control: Control, tasks: &mut JoinSet<()>) -> Result<(), AppError> {
        let Self { plan, admin } = self;
        let (own, desk) = (self::control(), admin.desk(control.clone()));
        let threads = Threads { name: "admin", count: 1 };
        let handler = move || Ok::<_, AppError>(Office(desk.clone()));
        let mut server = Server::start(threads, Connections::default(), &own, Inherited::default(), handler).await?;
        let is_shared = plan.is_shared();
        server.apply(plan, &LIMITS).await;
        tasks.spawn(async move {
            let _end = EndsWithTask(own.clone());
            let serving = async {
                control.reached(Stage::Leaving).await;
                own.advance(Stage::Leaving);
                if is_shared {
                    server.apply(Plan::default(), &LIMITS).await; // the process that takes over answers alone
                }
                server.finished().await;
            };
            tokio::join!(admin.sample(), serving);
        });
        Ok(())
    }
}

/// Ends the listener when its task is dropped.
struct EndsWithTask(Control);

impl Drop for EndsWithTask {
    fn drop(&mut self) {
        self.0.advance(Stage::Ended);
    }
}

/// The desk as the server sees it.
struct Office(Desk);

impl Handler for Office {
    type Body = AnswerBody;

    fn handle(&self, request: Request<Incoming>, from: &Arrival) -> impl Future<Output = Response<AnswerBody>> + use<> {
        let (desk, peer) = (self.0.clone(), from.peer);
        async move { desk.answer(request, peer).await }
    }
}
