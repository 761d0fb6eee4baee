//! Asking for the configuration to be read again, and what came of it.

use std::fmt;

use tokio::sync::{mpsc, oneshot};

/// Why the configuration is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// SIGHUP.
    Signal,
    /// The operator asked on the admin listener.
    Operator,
    /// A file that it is made of has changed.
    File,
}

/// What was put into force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What works but is doubtful.
    pub warnings: Vec<String>,
    /// The keys whose new values take effect with the next start.
    pub needs_restart: Vec<String>,
}

/// Everything that is wrong with the new configuration, each with its key; the old one stays in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

/// What came of a reload.
pub type Outcome = Result<Reloaded, Refused>;

/// Asks for reloads.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::Sender<Request>);

/// Where the asking arrives.
#[derive(Debug)]
pub struct Requests(mpsc::Receiver<Request>);

/// One reload that is asked for.
#[derive(Debug)]
pub struct Request {
    /// Why.
    pub cause: Cause,
    reply: Option<oneshot::Sender<Outcome>>,
}

/// A way to ask for reloads, and its other end.
pub fn reloads() -> (Reloader, Requests) {
    let (sender, receiver) = mpsc::channel(1);
    (Reloader(sender), Requests(receiver))
}

impl Reloader {
    /// Has the configuration read again, and waits for what comes of it.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn reload(&self, cause: Cause) -> Outcome {
        let stopping = || Refused(vec!["wxgate is stopping; nothing is read any more".to_owned()]);
        let (reply, outcome) = oneshot::channel();
        self.0.send(Request { cause, reply: Some(reply) }).await.map_err(|_| stopping())?;
        outcome.await.unwrap_or_else(|_| Err(stopping()))
    }
}

impl Requests {
    /// The next one; for ever, where nobody can ask any more.
    pub async fn next(&mut self) -> Request {
        match self.0.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

impl Request {
    /// One whose outcome nobody waits for.
    pub fn of_nobody(cause: Cause) -> Self {
        Self { cause, reply: None }
    }

    /// Says what came of it.
    pub fn answer(self, outcome: Outcome) {
        if let Some(reply) = self.reply {
            let _ = reply.send(outcome); // who asked may have gone
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal => "SIGHUP",
            Self::Operator => "the operator",
            Self::File => "a changed file",
        })
    }
}
