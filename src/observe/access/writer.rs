//! The thread that writes all workers' lines.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::config::LogFormat;

/// Buffers that wait to be written, of some 16 KiB each; beyond them, lines are lost.
const WAITING: usize = 64;
/// How long a stop waits for the last lines to be read.
const PATIENCE: Duration = Duration::from_secs(2);

/// Takes lines.
#[derive(Debug, Clone)]
pub struct AccessLog {
    format: LogFormat,
    orders: mpsc::Sender<Order>,
    lost: Arc<AtomicU64>,
}

/// Ends it.
#[derive(Debug)]
pub struct Finish(mpsc::Sender<Order>);

#[derive(Debug)]
enum Order {
    /// Bytes of whole lines, and how many.
    Write(Vec<u8>, u64),
    End(oneshot::Sender<()>),
}

impl AccessLog {
    /// Starts the thread, which writes to `writer`.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(format: LogFormat, writer: impl Write + Send + 'static) -> io::Result<(Self, Finish)> {
        let (orders, received) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Self { format, orders: orders.clone(), lost: Arc::clone(&lost) };
        thread::Builder::new().name("access-log".to_owned()).spawn(move || write_all(received, writer, &lost))?;
        Ok((log, Finish(orders)))
    }

    /// In which format lines are to be.
    pub(super) fn format(&self) -> LogFormat {
        self.format
    }

    /// How many lines were lost because nobody read the ones before, or because they could not be written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Has `count` lines written, if there is room for them.
    pub(super) fn write(&self, bytes: Vec<u8>, count: u64) {
        if self.orders.try_send(Order::Write(bytes, count)).is_err() {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl Finish {
    /// Waits until all lines so far are written, but not for a reader that does not read.
    pub async fn finish(self) {
        let (written, all_written) = oneshot::channel();
        let ending = async {
            let _ = self.0.send(Order::End(written)).await;
            let _ = all_written.await;
        };
        let _ = timeout(PATIENCE, ending).await;
    }
}

fn write_all(mut orders: mpsc::Receiver<Order>, mut writer: impl Write, lost: &AtomicU64) {
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Write(bytes, count) => {
                // A reader that has gone, or a full disk, must not end the gateway; it shows in the metrics.
                if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() {
                    lost.fetch_add(count, Ordering::Relaxed);
                }
            }
            Order::End(written) => drop(written.send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// Somewhere to write that blocks until it is opened.
    #[derive(Clone, Default)]
    struct Pipe(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        written: Vec<u8>,
        is_open: bool,
    }

    impl Pipe {
        fn open(&self) {
            self.0.0.lock().unwrap().is_open = true;
            self.0.1.notify_all();
        }

        fn read(&self) -> Vec<u8> {
            self.0.0.lock().unwrap().written.clone()
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (state, changed) = &*self.0;
            let mut state = changed.wait_while(state.lock().unwrap(), |state| !state.is_open).unwrap();
            state.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_a_reader_does_not_take_is_lost_and_counted_and_nobody_waits_for_it() {
        let pipe = Pipe::default();
        let (log, finish) = AccessLog::start(LogFormat::Text, pipe.clone()).unwrap();
        let written = WAITING as u64 + 1; // the thread holds one more
        while log.lost() == 0 {
            log.write(b"line\n".to_vec(), 1);
            tokio::task::yield_now().await;
        }
        log.write(b"line\nline\n".to_vec(), 2);
        assert_eq!(log.lost(), 3);
        pipe.open();
        finish.finish().await;
        let lines = pipe.read().iter().filter(|&&byte| byte == b'\n').count() as u64;
        assert!((written - 1..=written).contains(&lines), "{lines}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_for_a_reader_that_does_not_read() {
        let (log, finish) = AccessLog::start(LogFormat::Text, Pipe::default()).unwrap();
        log.write(b"line\n".to_vec(), 1);
        finish.finish().await;
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (log, finish) = AccessLog::start(LogFormat::Text, Full).unwrap();
        log.write(b"line\nline\n".to_vec(), 2);
        finish.finish().await;
        assert_eq!(log.lost(), 2);
    }
}
