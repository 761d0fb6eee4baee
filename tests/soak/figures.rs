//! Memory and open files of the program, and whether they stay level: their middle value over the last third of the time
//! is held against that over the first.

use std::fmt;
use std::fs;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::support::within;

/// How often they are read.
const EVERY: Duration = Duration::from_millis(100);
/// Bodies under way and the allocator's reserves come and go: a fifth, and some MiB where the whole is small. A leak of half
/// a kilobyte a request shows within two minutes of 300 requests a second, a smaller one in more.
const MEMORY_MARGIN: (f64, f64) = (1.2, 8.0 * 1024.0);
/// Connections come and go too.
const DESCRIPTORS_MARGIN: (f64, f64) = (1.2, 8.0);

/// The readings so far.
pub struct Figures {
    process: u32,
    at_rest: f64,
    /// `VmRSS` of proc_pid_status(5), in KiB.
    memory: Vec<f64>,
    descriptors: Vec<f64>,
}

impl Figures {
    /// Of this process, which has served one caller and is at rest.
    pub fn of(process: u32) -> Self {
        Self { process, at_rest: descriptors(process), memory: Vec::new(), descriptors: Vec::new() }
    }

    pub async fn measure_until(&mut self, end: Instant) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            ticks.tick().await;
            self.memory.push(memory(self.process));
            self.descriptors.push(descriptors(self.process));
        }
    }

    pub fn are_level(&self) {
        for (readings, (factor, more)) in [(&self.memory, MEMORY_MARGIN), (&self.descriptors, DESCRIPTORS_MARGIN)] {
            let (first, last) = thirds(readings);
            assert!(last <= first * factor + more, "{self}");
        }
    }

    /// With the callers gone and unused connections closed, it holds no more open files than at the beginning.
    pub async fn descriptors_come_back(&self) {
        let mut ticks = interval(EVERY);
        within(async {
            while descriptors(self.process) > self.at_rest {
                ticks.tick().await;
            }
        })
        .await;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((memory_first, memory_last), (first, last)) = (thirds(&self.memory), thirds(&self.descriptors));
        let peak = self.memory.iter().copied().fold(0.0, f64::max);
        write!(
            f,
            "memory {:.1} MiB in the first third, {:.1} MiB in the last, {:.1} MiB at its peak; \
             open files {first} and {last}, {} at rest",
            memory_first / 1024.0,
            memory_last / 1024.0,
            peak / 1024.0,
            self.at_rest,
        )
    }
}

/// The middle values of the first and of the last third.
fn thirds(readings: &[f64]) -> (f64, f64) {
    let third = readings.len().div_ceil(3);
    (middle(&readings[..third]), middle(&readings[readings.len() - third..]))
}

fn middle(readings: &[f64]) -> f64 {
    let mut sorted = readings.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn descriptors(process: u32) -> f64 {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as f64
}
