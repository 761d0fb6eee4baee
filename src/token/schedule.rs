//! When to refresh and how long to back off: pure rules of architecture.md §4.

use std::time::Duration;

use super::issuer::Fetch;
use crate::wechat::Fault;

/// WeChat's own maximum (wechat.md §1); a larger `expires_in` is not believed.
pub(crate) const LONGEST_LIFE: Duration = Duration::from_secs(7_200);
/// What a token without `expires_in` is trusted for: the stable endpoint's minimum (wechat.md §1).
const UNSTATED_LIFE: Duration = Duration::from_secs(300);
/// Transient failures back off from here …
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// … to here.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// `expires_in` in seconds, as WeChat told it → a life between 1 s and 7,200 s.
pub fn lifetime(expires_in: Option<f64>) -> Duration {
    match expires_in {
        Some(seconds) if seconds.is_nan() => UNSTATED_LIFE,
        Some(seconds) => Duration::from_secs_f64(seconds.clamp(1.0, LONGEST_LIFE.as_secs_f64())),
        None => UNSTATED_LIFE,
    }
}

/// How long before its end a token of this `life` is replaced: `configured` or the endpoint's own, at most a quarter of the life.
///
/// `spread` (0 … 1) is drawn once for each process, so that replicas of a stable account do not all come in the same second.
/// The stable endpoint hands out a new token only within the last 5 minutes (wechat.md §1), hence 60 to 270 s.
pub(crate) fn margin(configured: Option<Duration>, endpoint: Fetch, life: Duration, spread: f64) -> Duration {
    let own = match endpoint {
        Fetch::Classic => Duration::from_secs(600),
        Fetch::Stable | Fetch::Forced => Duration::from_secs(60) + Duration::from_secs(210).mul_f64(spread),
    };
    configured.unwrap_or(own).min(life / 4)
}

/// How long to wait after the `failures`-th failure in a row (1 for the first); `jitter` is in 0 … 1.
pub(crate) fn backoff(fault: Fault, endpoint: Fetch, failures: u32, jitter: f64) -> Duration {
    match fault {
        Fault::Transient => {
            let doubled = FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(16));
            let ceiling = doubled.min(LONGEST_BACKOFF);
            // Between half of it and the whole: spread out, and never a hammer.
            ceiling.mul_f64(0.5 + jitter / 2.0)
        }
        Fault::MinuteLimit | Fault::DailyLimit | Fault::AwaitsAdministrator => Duration::from_secs(60),
        Fault::RefusedFor(pause) => pause,
        Fault::Permanent | Fault::NoSuchEndpoint => match endpoint {
            Fetch::Classic => Duration::from_secs(60),
            Fetch::Stable | Fetch::Forced => Duration::from_secs(15),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_life_is_believed_between_a_second_and_two_hours() {
        for (expires_in, life) in [
            (Some(7200.0), s(7200)),
            (Some(300.5), Duration::from_millis(300_500)),
            (Some(0.0), s(1)),
            (Some(-5.0), s(1)),
            (Some(1e300), s(7200)),
            (Some(f64::NAN), s(300)),
            (Some(f64::INFINITY), s(7200)),
            (None, s(300)),
        ] {
            assert_eq!(lifetime(expires_in), life, "{expires_in:?}");
        }
    }

    #[test]
    fn the_margin_is_the_configured_or_the_endpoints_own_and_at_most_a_quarter_of_the_life() {
        assert_eq!(margin(None, Fetch::Classic, s(7200), 0.5), s(600));
        assert_eq!(margin(None, Fetch::Stable, s(7200), 0.0), s(60));
        assert_eq!(margin(None, Fetch::Stable, s(7200), 1.0), s(270));
        assert_eq!(margin(Some(s(30)), Fetch::Stable, s(7200), 1.0), s(30));
        assert_eq!(margin(None, Fetch::Classic, s(400), 0.5), s(100));
        assert_eq!(margin(Some(s(9999)), Fetch::Stable, s(7200), 0.0), s(1800));
    }

    #[test]
    fn transient_failures_back_off_from_a_second_to_a_minute() {
        let delays: Vec<_> = (1..9).map(|n| backoff(Fault::Transient, Fetch::Stable, n, 1.0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(Fault::Transient, Fetch::Stable, u32::MAX, 0.0), s(30));
    }

    #[test]
    fn other_failures_wait_as_long_as_their_kind_says() {
        for (fault, endpoint, wait) in [
            (Fault::Permanent, Fetch::Stable, s(15)),
            (Fault::Permanent, Fetch::Classic, s(60)),
            (Fault::MinuteLimit, Fetch::Stable, s(60)),
            (Fault::DailyLimit, Fetch::Stable, s(60)),
            (Fault::RefusedFor(s(3600)), Fetch::Stable, s(3600)),
        ] {
            assert_eq!(backoff(fault, endpoint, 3, 0.3), wait, "{fault:?}");
        }
    }
}
