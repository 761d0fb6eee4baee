//! Workers at work, and the listeners in front of them, which may change.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::{JoinHandle, JoinSet};

use super::accept::{Acceptor, Terms, accept};
use super::open::Connections;
use super::permits::Permits;
use super::plan::{BindError, Listener, Plan, Planned, load};
use super::tls::ServerTls;
use super::worker::{Queue, Worker};
use super::{Handler, Limits, Threads};
use crate::address::{Address, Inherited};
use crate::stage::{Control, Stage};

/// Workers, and the listeners whose connections they serve.
pub struct Server {
    workers: Vec<Worker>,
    queues: Arc<[Queue]>,
    permits: Permits,
    connections: Connections,
    control: Control,
    open: Vec<Open>,
    /// Listeners that accept no more, while some of their connections finish what they are doing.
    closing: Vec<(usize, Control)>,
    next: usize,
    inherited: Inherited,
}

/// A listener that accepts.
struct Open {
    number: usize,
    asked: Listener,
    address: Address,
    terms: Arc<ArcSwap<Terms>>,
    /// Its connections follow this one.
    control: Control,
    accepting: JoinHandle<()>,
    /// What takes renewed certificates into use; it ends when this is dropped.
    _renewing: JoinSet<()>,
}

impl Server {
    /// Starts the `threads`; `handler` is called once on each of them, and `connections` counts theirs. Nothing is
    /// accepted before [`apply`](Self::apply). New listeners that come later find their sockets among the `inherited`. It
    /// drains and ends with `control`.
    ///
    /// # Errors
    /// A thread that the system refuses, or what `handler` fails with.
    pub async fn start<H, E>(
        threads: Threads,
        connections: Connections,
        control: &Control,
        inherited: Inherited,
        handler: impl Fn() -> Result<H, E> + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        H: Handler,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let handler = Arc::new(handler);
        let mut started = Vec::with_capacity(threads.count);
        for number in 0..threads.count {
            let name = format!("{}-{number}", threads.name);
            started.push(Worker::start(name, control.follow(), Arc::clone(&handler)).await?);
        }
        Ok(Self {
            queues: started.iter().map(Worker::queue).collect(),
            workers: started,
            permits: Permits::default(),
            connections,
            control: control.clone(),
            open: Vec::new(),
            closing: Vec::new(),
            next: 0,
            inherited,
        })
    }

    /// Binds what `wanted` has beyond the listeners that are open; those stay as they are until the plan is applied.
    ///
    /// # Errors
    /// The first listener that cannot be had.
    pub fn plan(&self, wanted: impl IntoIterator<Item = Listener>) -> Result<Plan, BindError> {
        let (mut free, mut next) = (self.open.iter().collect::<Vec<_>>(), self.next);
        let mut planned = Vec::new();
        for asked in wanted {
            match free.iter().position(|open| open.asked.address.is_at(&asked.address)) {
                Some(at) => planned.push(free.remove(at).keep(asked)?),
                None => {
                    planned.push(Planned::bind(next, asked, &self.inherited)?);
                    next += 1;
                }
            }
        }
        Ok(Plan(planned))
    }

    /// The numbers of all listeners from which requests may still come, also of those that accept no more.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        let closing = self.closing.iter().filter(|(_, control)| control.is_followed());
        self.open.iter().map(|open| open.number).chain(closing.map(|(number, _)| *number))
    }

    /// Puts `plan` and `limits` into force: new listeners accept from now on; those that are not in it accept no more, and
    /// their connections end with what they are doing. The others keep their sockets and connections.
    pub async fn apply(&mut self, plan: Plan, limits: &Limits) {
        self.permits.limit(limits.connections);
        self.connections.limit(limits.connections);
        let mut before = std::mem::take(&mut self.open);
        for planned in plan.0 {
            self.next = self.next.max(planned.number + 1);
            let open = match before.iter().position(|open| open.number == planned.number) {
                Some(at) => before.swap_remove(at).with(planned, limits),
                None => self.open(planned, limits),
            };
            self.open.extend(open);
        }
        for gone in before {
            gone.control.advance(Stage::Draining);
            let _ = gone.accepting.await; // the address is free from here on
            self.closing.push((gone.number, gone.control));
        }
        self.closing.retain(|(_, control)| control.is_followed());
    }

    fn open(&self, planned: Planned, limits: &Limits) -> Option<Open> {
        let Planned { number, asked, address, tls, socket } = planned;
        let terms = Arc::new(ArcSwap::from_pointee(Terms { tls: tls.clone(), limits: *limits }));
        let control = self.control.part();
        let acceptor = Acceptor {
            number,
            terms: Arc::clone(&terms),
            permits: self.permits.clone(),
            connections: self.connections.clone(),
            workers: Arc::clone(&self.queues),
            control: control.clone(),
        };
        let accepting = tokio::spawn(accept(socket?, acceptor, self.control.follow()));
        Some(Open { number, asked, address, terms, control, accepting, _renewing: renewing(tls) })
    }

    /// Waits for the drain, and for the last answer to be out; or for the end.
    pub async fn finished(self) {
        let Self { workers, queues, control, .. } = self;
        control.reached(Stage::Draining).await;
        drop(queues); // the acceptors alone keep the workers waiting for more, and they end with the drain
        for worker in workers {
            worker.finished().await;
        }
    }
}

impl Open {
    /// The plan to let it stay as it is now `asked` for.
    fn keep(&self, asked: Listener) -> Result<Planned, BindError> {
        // The same files stay with what follows them, and so do the sessions that callers resume.
        let tls = if asked.tls == self.asked.tls { self.terms.load().tls.clone() } else { load(&asked)? };
        let address = match &self.address {
            Address::Tcp(address) => Address::Tcp(*address),
            Address::Unix(_) => asked.address.clone(), // its permissions may be others
        };
        Ok(Planned { number: self.number, asked, address, tls, socket: None })
    }

    /// The same socket under what is asked for now.
    fn with(mut self, planned: Planned, limits: &Limits) -> Option<Self> {
        if let Address::Unix(address) = &planned.address
            && planned.address != self.address
            && let Err(error) = address.set_permissions()
        {
            tracing::error!(%error, address = %planned.address, "the socket's mode and owner could not be changed");
        }
        if planned.asked.reuse_port != self.asked.reuse_port {
            tracing::warn!(
                "listen.reuse_port of {}: has changed, which takes effect with the next start",
                self.address
            );
        }
        if planned.asked.tls != self.asked.tls {
            self._renewing = renewing(planned.tls.clone());
        }
        self.terms.store(Arc::new(Terms { tls: planned.tls, limits: *limits }));
        self.asked = planned.asked;
        self.address = planned.address;
        Some(self)
    }
}

fn renewing(tls: Option<ServerTls>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(tls) = tls {
        tasks.spawn(tls.follow());
    }
    tasks
}
